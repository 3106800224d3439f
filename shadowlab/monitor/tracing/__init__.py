"""Where packets go: the way of one flow found by packets alone, hop by hop, and how large they may be.

In: ends, a flow's protocol and ports.  Out: hops with their delay, black holes, loops, the path's MTU.
Never: a look at a routing table: that is :mod:`shadowlab.shadow.trace`, and each is the other's witness.
"""
