"""The only door to Linux: namespaces, links, routes, queueing disciplines, sockets, clocks, children.

In: plain values from the deciding rooms.  Out: what the kernel answered, or an error that names the object.
Never: a decision about what the network should look like.
"""
