"""A hidden production for the twin's test bench: made from a seed, run apart, known by its telemetry only.

In: a seed.  Out: a map without parameters and host telemetry, for whoever wants to copy it; a sealed truth, for the
scorer.  Never: the truth to anybody else.
"""
