"""Face: plots and the self-contained HTML report of a run.

In: a result and its series.  Out: PNG files and one HTML file without outside references.
"""
