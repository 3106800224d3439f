"""The agent on an instance and the receiver on the shadow host (concept A2, A3).

In: the socket state of an instance.  Out: the same, on the shadow host, once and only once.
Continuous replication is the subject of a later issue; today telemetry comes in as recorded files, and this room
holds only its place in the layering.
"""
