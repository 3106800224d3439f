"""Demand ahead of time: series of demand, models of them, intervals from their own back-test.

In: demand as it was, at even steps, with gaps.  Out: demand to come at quantiles; when a limit is crossed.
Never: a model believed for its name: each is tried on the past of the very series, and so are its intervals.
"""
