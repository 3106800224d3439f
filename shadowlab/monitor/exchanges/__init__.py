"""Exchanges of workloads, instances and streams of datagrams: recorded inside, turned into indicators outside.

In: completions and samples as they come.  Out: raw records; series per service and instance, summaries per workload.
"""
