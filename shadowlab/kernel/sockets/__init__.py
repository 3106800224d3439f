"""Sockets: those of the namespace we are in, as the kernel tells of them, and our own with the kernel's time stamps.

In: nothing, or an open socket.  Out: raw inet_diag messages, to be decoded by ``wire``; packets with their moments.
Never: a foreign socket changed or destroyed.
"""
