"""Packet time stamps and the error queue: linux/net_tstamp.h, linux/errqueue.h.

In: ancillary data of recvmsg(2).  Out: nanoseconds, extended errors.  Never: a socket.

A socket with SO_TIMESTAMPING gets a stamp with each packet it receives, and on its error queue one for each packet it
sent; ICMP errors come by the same queue where IP_RECVERR asks for them.  Stamps are of CLOCK_REALTIME.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shadowlab.wire.addresses import AF_INET, AF_INET6, format_address

SO_TIMESTAMPING = SCM_TIMESTAMPING = 37
SOL_IP, SOL_SOCKET, SOL_IPV6 = 0, 1, 41
IP_RECVERR, IPV6_RECVERR = 11, 25

TX_SOFTWARE, RX_SOFTWARE, SOFTWARE = 1 << 1, 1 << 3, 1 << 4
OPT_ID, TX_SCHED, OPT_TSONLY = 1 << 7, 1 << 8, 1 << 11
"""SOF_TIMESTAMPING_*: stamp sent packets when the driver has them, received ones when they arrive, tell both; number
the sent ones; stamp them as they enter the first queue; give the stamp back without the packet."""

SCM_TSTAMP_SND, SCM_TSTAMP_SCHED = 0, 1
ORIGIN_LOCAL, ORIGIN_ICMP, ORIGIN_ICMP6, ORIGIN_TIMESTAMPING = 1, 2, 3, 4

_TIMESPEC = struct.Struct("qq")
_ERROR = struct.Struct("=IBBBxII")
_SENT = struct.Struct("=4xB3xII")  # of an extended error: origin, info, data
_FAMILY = struct.Struct("=H")
ANCILLARY_BYTES = 2 * 64
"""Room for a stamp (16 of head, three times 16) and an extended error with an IPv6 address (16 of head, 16, 28)."""

Ancillary = Iterable[tuple[int, int, bytes]]
_RECVERR = {(SOL_IP, IP_RECVERR), (SOL_IPV6, IPV6_RECVERR)}


class ExtendedError(NamedTuple):
    """``struct sock_extended_err``.  ``info`` is the MTU of a packet that was too big, and of a stamp which kind it is;
    ``data`` the number of the packet that was stamped.  ``offender`` is who sent the ICMP error, empty if nobody."""

    errno: int
    origin: int
    icmp_type: int
    icmp_code: int
    info: int
    data: int
    offender: str


def parse_stamp(ancillary: Ancillary) -> int | None:
    """The software stamp, in ns; None if there is none."""
    for level, kind, content in ancillary:
        if kind == SCM_TIMESTAMPING and level == SOL_SOCKET:
            seconds, nanoseconds = _TIMESPEC.unpack_from(content)  # the first of three: the others are hardware's
            return (seconds * 1_000_000_000 + nanoseconds) or None
    return None


def parse_sent(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, int] | None:
    """Number and moment of a packet that entered its first queue; None for anything else.

    The usual case in as few steps as it takes, for it comes with each packet that is sent."""
    if len(ancillary) == 2 and ancillary[0][1] == SCM_TIMESTAMPING:
        origin, kind, number = _SENT.unpack_from(ancillary[1][2])
        if origin == ORIGIN_TIMESTAMPING and kind == SCM_TSTAMP_SCHED:
            seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
            return number, seconds * 1_000_000_000 + nanoseconds
    return None


def parse_error(ancillary: Ancillary) -> ExtendedError | None:
    """The extended error, or None."""
    for level, kind, content in ancillary:
        if (level, kind) in _RECVERR:
            number, origin, icmp_type, code, info, data = _ERROR.unpack_from(content)
            return ExtendedError(number, origin, icmp_type, code, info, data, _offender(content[_ERROR.size :]))
    return None


def _offender(address: bytes) -> str:
    (family,) = _FAMILY.unpack_from(address)
    if family == AF_INET:
        return format_address(address[4:8])
    return format_address(address[8:24]) if family == AF_INET6 else ""
