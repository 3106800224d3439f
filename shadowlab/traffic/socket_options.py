"""The options of one socket: set, and read back.

In: an open socket, options.  Out: nothing, or an OSError that says which option the kernel holds otherwise.
Never: what is negotiated (:mod:`shadowlab.traffic.handshake`) or hangs on a route (:mod:`shadowlab.shadow.transport`).
Imported inside the guest: standard library only.
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import termios

from shadowlab.model.traffic.tcp_options import TcpOptions

SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
SO_MAX_PACING_RATE, SO_MEMINFO = 47, 55
TIMESTAMP_OPTION_BYTES = 12

_UNPACED = (1 << 64) - 1
_PACING = struct.Struct("=Q")
_OUTSTANDING = struct.Struct("=i")
_SNDBUF, _WMEM_QUEUED = 3, 5
"""Places in SK_MEMINFO (``linux/sock_diag.h``)."""
_MEMINFO = struct.Struct("=9I")
_NS_PER_S = 1_000_000_000


def set_option(sock: socket.socket, level: int, option: int, value: int) -> None:
    """Raises OSError when the kernel holds something else afterwards."""
    sock.setsockopt(level, option, value)
    found = sock.getsockopt(level, option)
    # An unconnected socket answers the default for TCP_MAXSEG, whatever it was given.
    if found != value and option != socket.TCP_MAXSEG:
        raise OSError(errno.EPROTO, f"option {option} was set to {value}, the kernel holds {found}")


def set_congestion_control(sock: socket.socket, name: str) -> None:
    """Raises OSError, also when the namespace does not allow it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    found = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
    if found != name:
        raise OSError(errno.EPROTO, f"the kernel holds {found}")


def set_at_both_ends(sock: socket.socket, tcp: TcpOptions) -> None:
    """What a sender and its listener share: the congestion control, for DCTCP answers marks in its own way and takes no
    connection but of its kind; and the class of service."""
    set_congestion_control(sock, tcp.congestion_control)
    if tcp.dscp:
        if sock.family == socket.AF_INET6:
            set_option(sock, socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tcp.dscp << 2)
        else:
            set_option(sock, socket.IPPROTO_IP, socket.IP_TOS, tcp.dscp << 2)


def set_at_sender(sock: socket.socket, tcp: TcpOptions) -> None:
    """What only a sender has, but for its buffer."""
    if tcp.mss is not None:
        # The option counts TCP's own options as payload; tcp_info and ss do not.
        options = 0 if tcp.timestamps is False else TIMESTAMP_OPTION_BYTES
        set_option(sock, socket.IPPROTO_TCP, socket.TCP_MAXSEG, tcp.mss + options)
    if tcp.pacing_bps is not None:
        set_pacing(sock, tcp.pacing_bps)
    if tcp.no_delay:
        set_option(sock, socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tcp.keepalive_ns is not None:
        set_option(sock, socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        set_option(sock, socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, max(1, round(tcp.keepalive_ns / _NS_PER_S)))


def set_pacing(sock: socket.socket, rate_bps: int | None) -> None:
    """The most that the kernel sends, in bits per second of packets; None: as fast as TCP allows.  Raises OSError."""
    bytes_per_s = _UNPACED if rate_bps is None else max(1, rate_bps // 8)
    sock.setsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, _PACING.pack(bytes_per_s))
    answer = sock.getsockopt(socket.SOL_SOCKET, SO_MAX_PACING_RATE, _PACING.size)
    (found,) = _PACING.unpack(answer.ljust(_PACING.size, b"\0"))
    if found != bytes_per_s:
        raise OSError(errno.EPROTO, f"the pacing rate was set to {bytes_per_s} bytes/s, the kernel holds {found}")


def force_buffer(sock: socket.socket, option: int, size: int) -> bool:
    """Buffers beyond the system's limit need a capability; without it (False) the kernel's own tuning stays in charge,
    which a smaller fixed buffer would switch off."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, size)
    except PermissionError:
        return False
    return True


def set_send_buffer(sock: socket.socket, accounted: int) -> None:
    """Let the kernel account ``accounted`` bytes to what is unacknowledged and unsent, headers of its own included."""
    half = max(1, accounted // 2)  # the kernel doubles it, "for overhead"
    if not force_buffer(sock, SO_SNDBUFFORCE, half):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, half)


def held_payload(sock: socket.socket) -> int:
    """Bytes of payload that are unacknowledged or unsent (SIOCOUTQ)."""
    answer: bytes = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_OUTSTANDING.size))
    (found,) = _OUTSTANDING.unpack(answer)
    return int(found)


def accounted_bytes(sock: socket.socket) -> tuple[int, int]:
    """What the kernel accounts to them, and the most it will."""
    memory = _MEMINFO.unpack(sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))
    return memory[_WMEM_QUEUED], memory[_SNDBUF]
