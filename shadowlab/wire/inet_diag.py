"""``linux/inet_diag.h`` and ``linux/sock_diag.h``: asking for a host's TCP sockets, and what the kernel answers.

In: integers and bytes.  Out: bytes, or a :class:`Socket`.  Never: a socket of our own, a guess at a field that is not
there.

A message is a fixed head (:data:`MESSAGE_BYTES`) and attributes.  Ports and addresses are in network order, all else in
the order of the machine that recorded it: ``order`` is ``"="`` for this machine, ``"<"`` or ``">"`` for a recording.
Imported inside the guest: ``struct`` only.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

SOCK_DIAG_BY_FAMILY = 20
SOCK_DESTROY = 21
AF_INET, AF_INET6 = 2, 10
IPPROTO_TCP = 6

MEMINFO, INFO, VEGASINFO, CONG, TOS, TCLASS, SKMEMINFO, SHUTDOWN = range(1, 9)
BBRINFO = 16

MESSAGE_BYTES = 72
MOST_MESSAGE_BYTES = 65_536
"""A message with every attribute has some 700 bytes; what claims more than this is no message."""

STATES = {
    1: "ESTAB",
    2: "SYN-SENT",
    3: "SYN-RECV",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "UNCONN",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN-RECV",
}
"""The states of TCP (``net/tcp_states.h``) by the names of ss.  12 is a request that has no socket yet."""

_REQUEST = struct.Struct("=BBBxI48x")
_RECEIVE_BUFFER, _SEND_BUFFER = 4, 12
_PADDED = 3


class Socket(NamedTuple):
    """One socket.  ``local`` and ``peer`` are 4 or 16 bytes; ``attributes`` maps their kinds to their payloads."""

    family: int
    state: int
    local: bytes
    local_port: int
    peer: bytes
    peer_port: int
    interface: int
    cookie: int
    receive_queue: int
    send_queue: int
    uid: int
    inode: int
    attributes: dict[int, bytes]

    @property
    def congestion_control(self) -> str | None:
        """Its name, if the kernel gave it."""
        name = self.attributes.get(CONG, b"").partition(b"\0")[0]
        return name.decode("latin-1") or None

    def receive_buffer_bytes(self, order: str = "=") -> int | None:
        """``SO_RCVBUF`` as accounted (SK_MEMINFO_RCVBUF), if the kernel gave it."""
        return self._memory(_RECEIVE_BUFFER, order)

    def send_buffer_bytes(self, order: str = "=") -> int | None:
        """``SO_SNDBUF`` as accounted (SK_MEMINFO_SNDBUF), if the kernel gave it."""
        return self._memory(_SEND_BUFFER, order)

    @property
    def dscp(self) -> int | None:
        """The class of service that the program gave its packets, if the kernel told: the upper six bits of IPv4's TOS
        or IPv6's traffic class."""
        value = self.attributes.get(TCLASS if self.family == AF_INET6 else TOS, b"")
        return value[0] >> 2 if value else None

    def _memory(self, offset: int, order: str) -> int | None:
        memory = self.attributes.get(SKMEMINFO, b"")
        if len(memory) < offset + 4:
            return None
        value: int = struct.unpack_from(order + "I", memory, offset)[0]
        return value


def pack_request(
    family: int, *, states: int = 0xFFF, attributes: tuple[int, ...] = (INFO, CONG, TOS, TCLASS, SKMEMINFO)
) -> bytes:
    """The body of a dump request for all TCP sockets of a family in the states of the mask (bit 1 << state)."""
    wanted = 0
    for kind in attributes:
        wanted |= 1 << (kind - 1)
    return _REQUEST.pack(family, IPPROTO_TCP, wanted, states)


def decode_socket(body: bytes, order: str = "=") -> Socket:
    """The message behind its netlink header.  Raises ValueError for what no kernel sends."""
    if len(body) < MESSAGE_BYTES:
        raise ValueError(f"an inet_diag message of {len(body)} bytes, which are fewer than {MESSAGE_BYTES}")
    family, state = body[0], body[1]
    if family == AF_INET:
        local, peer = body[8:12], body[24:28]
    elif family == AF_INET6:
        local, peer = body[8:24], body[24:40]
    else:
        raise ValueError(f"address family {family} is neither IPv4 (2) nor IPv6 (10)")
    if state not in STATES:
        raise ValueError(f"{state} is no state of TCP")
    local_port, peer_port = struct.unpack_from("!HH", body, 4)
    interface, low, high, _, receive_queue, send_queue, uid, inode = struct.unpack_from(order + "8I", body, 40)
    return Socket(
        family,
        state,
        local,
        local_port,
        peer,
        peer_port,
        interface,
        high << 32 | low,
        receive_queue,
        send_queue,
        uid,
        inode,
        decode_attributes(body, MESSAGE_BYTES, order),
    )


def decode_attributes(body: bytes, offset: int, order: str = "=") -> dict[int, bytes]:
    """The attributes by kind.  Raises ValueError for a length that leads outside."""
    found: dict[int, bytes] = {}
    unpack, end = struct.Struct(order + "HH").unpack_from, len(body)
    while end - offset >= 4:
        length, kind = unpack(body, offset)
        if length < 4 or offset + length > end:
            raise ValueError(f"an attribute claims {length} bytes where {end - offset} are left")
        found[kind & 0x3FFF] = body[offset + 4 : offset + length]
        offset += (length + _PADDED) & ~_PADDED
    return found
