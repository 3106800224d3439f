"""What is to be driven through the network besides replicated connections: workloads, and what serves them.

In: plain values.  Out: frozen specifications, and chance that is the same in every run of the same seed.
Never: a socket, a clock, Python's own random numbers.
"""
