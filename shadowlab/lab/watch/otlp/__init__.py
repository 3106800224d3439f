"""The figures of a watch to an OpenTelemetry collector: OTLP over HTTP, as JSON.

In: the same metrics that ``metrics.prom`` holds.  Out: one POST per cycle.  Never: a watch that waits for a collector.
"""
