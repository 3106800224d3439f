"""Capture one interface: a program that runs inside a node and writes pcapng to its standard output.

In: an interface, how much.  Out: a capture file on stdout, ended cleanly by a count, a time, Ctrl-C or SIGTERM.
Never: a frame missed in silence: what the kernel dropped stands at the end of the file.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
import time

from shadowlab.guest.boot import import_path
from shadowlab.wire import pcapng

_ETH_P_ALL = 3
_SOL_PACKET, _PACKET_STATISTICS, _PACKET_OUTGOING = 263, 6, 4
_SO_TIMESTAMPNS = 35
_BUFFER_BYTES = 8 << 20
_SO_RCVBUFFORCE = 33
_LONGEST = 1 << 16


def capture_argv(interface: str, *, description: str, snap_bytes: int, packets: int, seconds: float) -> tuple[str, ...]:
    """The program and its arguments; 0 packets or seconds: no end."""
    code = (
        f"import sys; sys.path[:] = {import_path()!r}; from shadowlab.lab.live.capture import main; main(*sys.argv[1:])"
    )
    return (sys.executable, "-B", "-c", code, interface, description, str(snap_bytes), str(packets), str(seconds))


def main(interface: str, description: str, snap_bytes: str, packets: str, seconds: str) -> None:
    """The program inside the node."""
    stop_read, stop_write = os.pipe()
    os.set_blocking(stop_write, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(stop_write)
    snap, most = int(snap_bytes) or _LONGEST, int(packets)
    give_up_s = time.monotonic() + float(seconds) if float(seconds) else None
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as opened:
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        except PermissionError:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.bind((interface, _ETH_P_ALL))
        opened.setblocking(False)
        _write(pcapng.section("ShadowLab") + pcapng.interface(interface, description, int(snap_bytes)))
        seen = 0
        while not most or seen < most:
            wait_s = None if give_up_s is None else give_up_s - time.monotonic()
            if wait_s is not None and wait_s <= 0:
                break
            ready = select.select([opened.fileno(), stop_read], [], [], wait_s)[0]
            if stop_read in ready:
                break
            if opened.fileno() in ready:
                seen += _pass_on(opened, snap, most - seen if most else 0)
        received, dropped = struct.unpack("II", opened.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        _write(pcapng.statistics(0, time.time_ns(), received, dropped))


def _pass_on(opened: socket.socket, snap: int, most: int) -> int:
    """Write the frames that have come (``most`` of them, if it is not 0); how many."""
    blocks: list[bytes] = []
    while not most or len(blocks) < most:
        try:
            frame, ancillary, _, origin = opened.recvmsg(_LONGEST, 64)
        except BlockingIOError:
            break
        at_ns = time.time_ns()
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, rest = struct.unpack("qq", payload[:16])
                at_ns = seconds * 10**9 + rest
        direction = pcapng.OUTBOUND if origin[2] == _PACKET_OUTGOING else pcapng.INBOUND
        blocks.append(pcapng.packet(0, at_ns, frame[:snap], len(frame), direction))
    _write(b"".join(blocks))
    return len(blocks)


def _write(payload: bytes) -> None:
    left = memoryview(payload)
    while left:
        left = left[os.write(1, left) :]
