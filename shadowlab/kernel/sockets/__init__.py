"""The sockets of the namespace we are in, as the kernel tells of them.

In: nothing.  Out: raw inet_diag messages, to be decoded by ``wire``.  Never: a socket changed or destroyed.
"""
