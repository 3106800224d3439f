"""Replays: recorded packets sent again from a node, each at its moment, whatever comes of them (open loop).

In: a file of packets (:mod:`shadowlab.lab.workloads.capture` writes it), the moment of the run's zero.  Out: packets on
the wire.  Never: an answer by a kernel that knows nothing of the connection: the ports the packets go to are *muted*,
by a socket whose filter drops everything.  A port that somebody serves is left to who serves it.
Imported inside the guest: standard library only.

The file: one line of JSON (``{"mute": [[node, protocol, address, port], …]}``), then for each packet its moment in
nanoseconds since the first, its length, and the whole IP packet.
"""

from __future__ import annotations

import errno
import json
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.mute import mute
from shadowlab.model.traffic.workload import Replay
from shadowlab.traffic.tcp_socket import SocketDoor

HEAD = struct.Struct("<QI")
MOST_MUTED = 4096
_IP_HDRINCL, _IPV6_HDRINCL = 3, 36


class Replays:
    """All replays of a run.  Enter it, :meth:`start` it, let the loop run."""

    def __init__(self, *, loop: Loop, door: SocketDoor, replays: Sequence[Replay], folder: str) -> None:
        self._loop = loop
        self._door = door
        self._all = [_One(loop, door, one, folder) for one in replays]
        self._muted: list[socket.socket] = []

    def __enter__(self) -> Replays:
        try:
            for one in self._all:
                one.open()
            wanted = {port: None for one in self._all for port in one.mute}
            for node, protocol, address, port in wanted:
                self._mute(node, protocol, address, port)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close files and sockets."""
        for one in self._all:
            one.close()
        for sock in self._muted:
            sock.close()
        self._muted.clear()

    def start(self, zero_ns: int) -> None:
        """Let each begin at its moment after ``zero_ns`` (monotonic)."""
        for one in self._all:
            one.arm(zero_ns)

    def summary(self) -> dict[str, dict[str, int]]:
        """By name: packets and octets sent, packets refused (too large for the way, no route)."""
        return {one.name: one.summary() for one in self._all}

    def _mute(self, node: str, protocol: str, address: str, port: int) -> None:
        if len(self._muted) >= MOST_MUTED:
            return
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        sock = self._door.open_socket(node, family, kind)
        try:
            mute(sock)
            sock.bind((address, port))
            if protocol == "tcp":
                sock.listen(1)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return
        self._muted.append(sock)


class _One:
    def __init__(self, loop: Loop, door: SocketDoor, replay: Replay, folder: str) -> None:
        self.name = replay.name
        self.mute: list[tuple[str, str, str, int]] = []
        self._loop = loop
        self._door = door
        self._replay = replay
        self._path = f"{folder}/{replay.file}"
        self._file: BinaryIO | None = None
        self._sockets: dict[int, socket.socket] = {}
        self._begin_ns = self._end_ns = 0
        self._next: tuple[int, bytes] | None = None
        self._sent = self._sent_bytes = self._refused = 0

    def open(self) -> None:
        self._file = open(self._path, "rb")  # noqa: SIM115 - closed by close()
        self.mute = [(str(a), str(b), str(c), int(d)) for a, b, c, d in json.loads(self._file.readline())["mute"]]
        for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
            with suppress(OSError):  # without IPv6 its packets are refused
                sock = self._door.open_socket(self._replay.node, family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                self._sockets[version] = sock
                if version == 6:
                    sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def summary(self) -> dict[str, int]:
        return {"sent_packets": self._sent, "sent_bytes": self._sent_bytes, "refused_packets": self._refused}

    def arm(self, zero_ns: int) -> None:
        replay = self._replay
        self._begin_ns = zero_ns + replay.begin_ns
        self._end_ns = zero_ns + replay.end_ns if replay.end_ns is not None else 1 << 62
        self._advance()
        self._schedule()

    def _advance(self) -> None:
        """Read the next packet and when it is due."""
        assert self._file is not None
        head = self._file.read(HEAD.size)
        self._next = None
        if len(head) == HEAD.size:
            at_ns, length = HEAD.unpack(head)
            due_ns = self._begin_ns + round(at_ns / self._replay.speed)
            if due_ns < self._end_ns:
                self._next = (due_ns, self._file.read(length))

    def _schedule(self) -> None:
        if self._next is not None:
            self._loop.at(self._next[0], self._on_due)

    def _on_due(self, due_ns: int) -> None:
        until_ns = max(due_ns, self._loop.now_ns)
        while self._next is not None and self._next[0] <= until_ns:
            self._send(self._next[1])
            self._advance()
        self._schedule()

    def _send(self, packet: bytes) -> None:
        version = packet[0] >> 4
        sock = self._sockets.get(version)
        if sock is None:
            self._refused += 1
            return
        to: tuple[object, ...] = (
            (socket.inet_ntop(socket.AF_INET, packet[16:20]), 0)
            if version == 4
            else (socket.inet_ntop(socket.AF_INET6, packet[24:40]), 0, 0, 0)
        )
        try:
            sock.sendto(packet, to)
        except OSError:  # larger than the way allows, no way at all, or no room: it is not sent, and that is told
            self._refused += 1
            return
        self._sent += 1
        self._sent_bytes += len(packet)
