"""Remember: indicator series and raw records of a run, byte for byte reproducible.

In: series.  Out: files, written whole or not at all.
"""
