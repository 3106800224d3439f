"""A send buffer that holds so many bytes of *payload*.

In: a sender that has just been written to.  Out: the kernel's limit moved to where it should be.
Never: a guess: what a segment costs is read from the socket.  Imported inside the guest: standard library only.

Linux limits what a sender may hold by the memory it takes, the heads of its segments included (``sk_wmem_queued``
against ``sk_sndbuf``).  A production host puts up to 64 kB of payload behind one such head, the shadow, which sends no
packet larger than the MTU, 1448 bytes: the same ``SO_SNDBUF`` would hold half as much.  So the limit is set by what is
held after a write: payload (SIOCOUTQ) against memory (SO_MEMINFO).

The writer then goes on as production's does: the kernel wakes it when a third of the buffer is free
(``sk_stream_is_writeable``).
"""

from __future__ import annotations

import socket

from shadowlab.traffic.socket_options import accounted_bytes, held_payload, set_send_buffer

FIRST_SHARE = 2
"""Memory over payload, before anything is known."""
_LOOKS = 64
"""The costs of a segment do not change for long: what has been looked at so often is left alone."""


class SendBuffer:
    """Of one connection."""

    def __init__(self, wanted_bytes: int) -> None:
        self.wanted_bytes = wanted_bytes
        self._looks = 0

    def open(self, sender: socket.socket) -> None:
        """Before anything is sent over a new connection."""
        self._looks = 0
        set_send_buffer(sender, self.wanted_bytes * FIRST_SHARE)

    def written(self, sender: socket.socket) -> None:
        """Bytes were written; whether the kernel took all of them does not matter: too large a buffer may take all
        there are again and again.  Raises OSError for a socket that has died."""
        if self._looks >= _LOOKS:
            return
        payload = held_payload(sender)
        memory, limit = accounted_bytes(sender)
        if payload * 4 < self.wanted_bytes:
            return  # the last segment, which is not whole, would count for too much
        self._looks += 1
        wanted = self.wanted_bytes * memory // payload
        if abs(wanted - limit) * 50 > limit:  # 2 %: finer is not than a segment
            set_send_buffer(sender, wanted)
