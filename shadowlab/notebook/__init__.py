"""ShadowLab from Python, at a prompt or in a notebook: what the commands do, as values that show themselves.

In: the files and folders that the commands take.  Out: maps, runs, answers, calibrations and localisations with tables
for NumPy and pandas.  Never: a verdict of its own: every figure is one that a room below has found.
"""
