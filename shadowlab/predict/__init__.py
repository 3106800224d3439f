"""Ask: what will this run cost, and what does the network look like under another demand.

In: network, demand.  Out: expected packet-hops and wall time, the scaling law that keeps a run in its budget.
Forecasts and what-if sweeps are the subject of a later issue.
"""
