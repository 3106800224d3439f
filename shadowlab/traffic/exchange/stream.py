"""What both ends of a connection have in common: how much is written and read at once, and which events they wait for.

In: a socket.  Out: how many bytes were read and thrown away.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import select
import socket

CHUNK_BYTES = 4 << 20
PAYLOAD = memoryview(bytes(CHUNK_BYTES))
_DISCARD = bytearray(CHUNK_BYTES)  # MSG_TRUNC: the kernel throws the bytes away and never touches this memory
_READ = socket.MSG_TRUNC | socket.MSG_DONTWAIT
TCP_INFO_BYTES = 280
QUIET_BYTES = 1 << 20
"""So much may wait to be read before the reader is woken; far below the buffer, so the window does not feel it."""
ENDS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
INWARD = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
BOTH = INWARD | select.EPOLLOUT


def drain(sock: socket.socket) -> int:
    """Read what is there; how many bytes that was."""
    total = 0
    try:
        while True:
            received = sock.recv_into(_DISCARD, 0, _READ)
            total += received
            if received < CHUNK_BYTES:
                return total
    except OSError:  # nothing there, or reset: its events tell
        return total
