"""What a network *is*: nodes, links, impairments, flows, samples, indicators, verdicts.

In: nothing but plain values.  Out: frozen, self-checking dataclasses with the unit in every name.
Never: a socket, a clock, a random number, a file.
"""
