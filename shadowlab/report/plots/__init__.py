"""Plots, one file per subject.

In: results and networks.  Out: :class:`~shadowlab.report.figure.Plot`.  Never: a file, but for the PNGs of a run.
"""
