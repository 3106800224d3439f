"""Ask: what will this run cost, and what does the network look like under another demand.

In: network, demand.  Out: expected packet-hops and wall time, the scaling law that keeps a run in its budget.
Scenarios are pure edits of a network and its demand; what runs of them show becomes predictions with intervals.
"""
