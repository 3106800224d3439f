"""Maps drawn by other tools: what a reader found becomes a network.

In: a :class:`~shadowlab.topology.foreign.drawing.ForeignMap` from one of ``topology/readers``.  Out: a
:class:`~shadowlab.model.network.Network` with Linux-safe names, every value filled in, and every value that the map did
not state listed with its origin.  Never: a file; a format.
"""
