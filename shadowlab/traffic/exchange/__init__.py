"""Exchanges: transfers, requests, incast, datagrams and lookups become packets between the nodes of a segment.

In: workloads and compute models.  Out: real connections and datagrams, a record of every exchange that ended.
``deciding`` knows no socket; ``sockets`` and ``channel`` act; a file for each kind of workload puts both together, and
``engine`` holds them all.
"""
