"""The one place where stages meet: scenario, run, run folder.

In: a scenario file.  Out: a run folder with manifest, result, series, plots and report.
"""
