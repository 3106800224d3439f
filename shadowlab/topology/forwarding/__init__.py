"""How packets find their way on a map: the graph of next hops, whole tables of them, and how few prefixes say the same.

In: a network.  Out: exits, tables, prefixes.  Never: an address (those are given), a kernel call.
"""
