"""Parts of the benchmark of detection: made series, and scorers for public sets that lie in a folder outside."""
