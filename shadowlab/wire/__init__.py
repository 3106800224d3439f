"""The kernel's binary formats as pure codecs: bytes in, values out, and back.

One file per kernel header.  In: bytes from a netlink or socket call.  Out: plain values.
Never: a system call.
"""
