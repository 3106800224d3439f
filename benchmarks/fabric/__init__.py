"""The contest of ``benchmarks.build``: one network, made by us, by a floor and by our peers.

In: a network.  Out: seconds.  Never: an object outside of a private network namespace; never a process left behind.
"""
