"""Is the shadow true?  Production and shadow side by side, per path.

In: telemetry records of production, the shadow's series.  Out: agreement per path and a verdict with its evidence.
"""
