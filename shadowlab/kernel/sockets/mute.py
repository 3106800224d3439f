"""A port that swallows what it gets: a socket with a filter that keeps nothing.

In: a bound socket.  Out: the same, mute: packets to it are dropped before TCP or UDP answers them (socket(7),
SO_ATTACH_FILTER; a classic BPF program of one instruction, ``ret #0``).
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import socket
import struct
from array import array

_SO_ATTACH_FILTER = 26
_KEEP_NOTHING = array("Q", [0x06])  # struct sock_filter: code BPF_RET | BPF_K, jt 0, jf 0, k 0


def mute(sock: socket.socket) -> None:
    """Drop whatever arrives at the socket, and at connections it would have accepted.  Raises OSError."""
    address, length = _KEEP_NOTHING.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", length, address))
