"""Sockets: those of the namespace we are in, as the kernel tells of them; our own with the kernel's time stamps; and
our own that the kernel reads for us.

In: nothing, or an open socket.  Out: raw inet_diag messages, to be decoded by ``wire``; packets with their moments.
Never: a foreign socket changed or destroyed.
"""
