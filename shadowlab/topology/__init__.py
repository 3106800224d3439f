"""A map file becomes a :class:`~shadowlab.model.network.Network`.

In: the text of a map in one of the known formats.  Out: a resolved network, with the origin of every derived value,
its addresses and its routes.  Never: a kernel call, a clock, a network connection.
"""
