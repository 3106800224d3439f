"""Observe: probes with kernel timestamps, TCP_INFO, queue and link counters, paths read from the kernel.

In: open sockets and namespaces.  Out: raw samples once a second, and the indicators derived from them.
Never: a judgement.
"""
