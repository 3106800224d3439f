"""Where: anomalies and evidence become a fault domain.

In: paths, counts of packets sent and lost, delays.  Out: suspects ranked by likelihood, and the fault domain,
with what cannot be told apart.
"""
