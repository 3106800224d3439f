"""What records captures inside the guest: two hosts, a lossy or reordering way between them, transfers, packet sockets.

Imported there, so it imports little.  The benchmark of captures uses it too.
"""

from __future__ import annotations

import errno
import json
import pickle
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import BinaryIO

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.kernel.ports import Hop
from shadowlab.model.impairment import Impairment
from shadowlab.wire import pcapng
from shadowlab.wire.tcp_info import decode_tcp_info

SECOND = 10**9
ADDRESSES = {"a": ("10.0.1.2", "fd00:1::2"), "b": ("10.0.2.2", "fd00:2::2")}
PORT = 5000
_PIECE = bytes(range(256)) * 256
_ETH_P_ALL, _OUTGOING, _TIMESTAMPNS, _RCVBUFFORCE = 3, 4, 35, 33


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One connection from a to b: when it begins, how many octets; ``stall_ns``: how long b stops reading half-way;
    ``ends`` by ``fin`` or by ``reset``; ``ipv6``."""

    start_ns: int
    octets: int
    stall_ns: int = 0
    ends: str = "fin"
    ipv6: bool = False


@dataclass(frozen=True, kw_only=True)
class Recording:
    """``there`` is what the way from a to b does to packets, ``back`` the other way."""

    there: Impairment
    back: Impairment
    transfers: tuple[Transfer, ...]
    duration_ns: int
    snap_bytes: int = 128
    """0: whole frames."""
    offload: bool = False


def record(job_path: str, folder: str) -> int:
    """Write ``a.pcapng`` and ``b.pcapng``, what each host's interface saw, and ``sockets.json``, what a's kernel knew
    of each transfer at its end: by port the fields of tcp_info."""
    with open(job_path, "rb") as job:
        recording: Recording = pickle.load(job)
    enter_private_segment()
    with LinuxSegment("capture") as segment, Loop() as loop:
        _build(segment, recording)
        with open(f"{folder}/a.pcapng", "wb") as file_a, open(f"{folder}/b.pcapng", "wb") as file_b:
            recorders = [
                _Recorder(loop, segment, node, file, recording.snap_bytes)
                for node, file in (("a", file_a), ("b", file_b))
            ]
            start_ns = (time.monotonic_ns() // SECOND + 1) * SECOND
            traffic = _Traffic(loop, segment, recording.transfers, start_ns)
            loop.run_until(start_ns + recording.duration_ns)
            traffic.finish()
            for one in recorders:
                one.finish()
            with open(f"{folder}/sockets.json", "w") as known:
                json.dump(traffic.known, known)
    return 0


def _build(segment: LinuxSegment, recording: Recording) -> None:
    for node in ("a", "r", "b"):
        segment.create_namespace(node, ipv6=True)
        segment.set_link_up(node, "lo", up=True)
    segment.set_sysctl("r", "net/ipv4/ip_forward", "1")
    segment.set_sysctl("r", "net/ipv6/conf/all/forwarding", "1")
    for number, node in ((1, "a"), (2, "b")):
        macs = (f"02:00:00:00:0{number}:01", f"02:00:00:00:0{number}:02")
        segment.create_veth(
            node_a="r", name_a=f"to-{node}", mac_a=macs[0], node_b=node, name_b="eth0", mac_b=macs[1], mtu=1500,
            alias="t", offload=recording.offload,
        )  # fmt: skip
        ours, theirs = f"10.0.{number}.1", ADDRESSES[node][0]
        for family, (gateway, address, prefix) in (
            (4, (ours, theirs, 24)),
            (6, (f"fd00:{number}::1", ADDRESSES[node][1], 64)),
        ):
            segment.add_address("r", f"to-{node}", gateway, prefix)
            segment.add_address(node, "eth0", address, prefix)
            segment.add_neighbour("r", f"to-{node}", address, macs[1])
            segment.add_neighbour(node, "eth0", gateway, macs[0])
            del family
    segment.set_netem("r", "to-b", recording.there)
    segment.set_netem("r", "to-a", recording.back)
    ends = [("r", "to-a"), ("a", "eth0"), ("r", "to-b"), ("b", "eth0")]
    for node, name in ends:
        segment.set_link_up(node, name, up=True)
    segment.wait_for_links(ends)
    for node, other, number in (("a", "2", "1"), ("b", "1", "2")):
        segment.replace_route(node, f"10.0.{other}.0", 24, [Hop("eth0", f"10.0.{number}.1")])
        segment.replace_route(node, f"fd00:{other}::", 64, [Hop("eth0", f"fd00:{number}::1")])


class _Recorder:
    """A packet socket on a host's interface, written as pcapng."""

    def __init__(self, loop: Loop, segment: LinuxSegment, node: str, file: BinaryIO, snap: int) -> None:
        self._file, self._snap, self._seen = file, snap or 1 << 18, 0
        self._socket = segment.open_socket(node, socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, 64 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self._socket.bind(("eth0", _ETH_P_ALL))
        file.write(pcapng.section("ShadowLab") + pcapng.interface("eth0", node, snap))
        loop.add(self._socket.fileno(), select.EPOLLIN, self._take, name=f"packets of {node}")

    def _take(self, _events: int) -> bool:
        blocks = []
        try:
            while True:
                frame, ancillary, _, origin = self._socket.recvmsg(1 << 17, 64)
                seconds, rest = struct.unpack("qq", ancillary[0][2][:16])
                direction = pcapng.OUTBOUND if origin[2] == _OUTGOING else pcapng.INBOUND
                at_ns = seconds * SECOND + rest
                blocks.append(pcapng.packet(0, at_ns, frame[: self._snap], len(frame), direction))
        except BlockingIOError:
            pass
        self._file.write(b"".join(blocks))
        self._seen += len(blocks)
        return bool(blocks)

    def finish(self) -> None:
        """The kernel must not have dropped anything: the capture would be another one than the traffic."""
        self._take(0)
        received, dropped = struct.unpack("II", self._socket.getsockopt(263, 6, 8))
        if dropped:
            raise RuntimeError(f"{dropped} of {received} packets were not captured")
        self._socket.close()


class _Traffic:
    """Writers in a, readers in b."""

    def __init__(self, loop: Loop, segment: LinuxSegment, transfers: tuple[Transfer, ...], start_ns: int) -> None:
        self._loop, self._segment = loop, segment
        self._writers: dict[int, socket.socket] = {}
        self.known: dict[int, dict[str, int | bool | None]] = {}
        for number, one in enumerate(transfers):
            self._listen(PORT + number, one)
            loop.at(start_ns + one.start_ns, lambda _due, port=PORT + number, one=one: self._connect(port, one))

    def _socket(self, node: str, one: Transfer) -> socket.socket:
        return self._segment.open_socket(node, socket.AF_INET6 if one.ipv6 else socket.AF_INET, socket.SOCK_STREAM)

    def _listen(self, port: int, one: Transfer) -> None:
        server = self._socket("b", one)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if one.stall_ns:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        server.bind((ADDRESSES["b"][one.ipv6], port))
        server.listen()

        def accept(_events: int) -> bool:
            accepted, _ = server.accept()
            accepted.setblocking(False)
            _Reader(self._loop, accepted, one)
            return True

        self._loop.add(server.fileno(), select.EPOLLIN, accept, name=f"port {port}")

    def _connect(self, port: int, one: Transfer) -> None:
        writer = self._socket("a", one)
        writer.bind((ADDRESSES["a"][one.ipv6], 0))
        if writer.connect_ex((ADDRESSES["b"][one.ipv6], port)) not in (0, errno.EINPROGRESS):
            raise RuntimeError("the connection was refused at once")
        self._writers[port] = writer
        left = one.octets

        def write(_events: int) -> bool:
            nonlocal left
            moved = False
            try:
                while left > 0:
                    left -= writer.send(_PIECE[: min(left, len(_PIECE))])
                    moved = True
            except BlockingIOError:
                return moved
            except OSError:
                left = 0
            self._loop.remove(writer.fileno())
            if one.ends == "reset":
                writer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._loop.at(self._loop.now_ns + 2 * SECOND, lambda _due: self._close(port))
            else:
                writer.shutdown(socket.SHUT_WR)
            return True

        self._loop.add(writer.fileno(), select.EPOLLOUT, write, name=f"writer to {port}")

    def _close(self, port: int) -> None:
        writer = self._writers.pop(port)
        self.known[port] = decode_tcp_info(writer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512))._asdict()
        writer.close()

    def finish(self) -> None:
        """Ask the kernel about the sockets that are still there."""
        for port in list(self._writers):
            self._close(port)


class _Reader:
    def __init__(self, loop: Loop, accepted: socket.socket, one: Transfer) -> None:
        self._loop, self._socket, self._one = loop, accepted, one
        self._read = 0
        self._stalled = not one.stall_ns
        self._watch()

    def _watch(self) -> None:
        self._loop.add(self._socket.fileno(), select.EPOLLIN, self._take, name="reader")

    def _take(self, _events: int) -> bool:
        try:
            octets = len(self._socket.recv(1 << 18))
        except OSError:
            octets = 0
        self._read += octets
        if not octets:
            self._loop.remove(self._socket.fileno())
            self._socket.close()
        elif not self._stalled and self._read > self._one.octets // 2:
            self._stalled = True
            self._loop.remove(self._socket.fileno())
            self._loop.at(self._loop.now_ns + self._one.stall_ns, lambda _due: self._watch())
        return True
