"""Shadows that are run to be compared with production.

In: a prepared scenario.  Out: the null model's job, its indicators, what is kept of them.
"""
