"""Telemetry that is asked for, not read from a file: Prometheus' ``query_range``.

In: a source of a configuration file.  Out: records.  Never: another address spoken to than the one that was named.
"""
