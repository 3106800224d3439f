"""Face: the web page, JSON API and metrics.  The subject of a later issue; today it holds its place in the layering."""
