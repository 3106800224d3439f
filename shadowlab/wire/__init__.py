"""The kernel's binary formats as pure codecs, one file per kernel header.

In: plain values, or bytes that a kernel sent.  Out: the other of the two.
Never: a socket, a clock, or an import beyond ``struct`` (imports are slow inside the guest).
"""
