"""A production that never was, for a watch that really runs: its telemetry, its clock, its shadows."""
