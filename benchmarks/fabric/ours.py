"""Ours: the operations applied to a segment of the host's kernel, timed; or recorded, for the floor to replay.

In: a workload.  Out: seconds, or a file of what was asked of the kernel.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import ClassVar

from benchmarks.fabric.gone import Witness
from benchmarks.fabric.workload import BURST_BYTES, LIMIT_BYTES, Workload, discipline
from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.netlink import NetlinkSocket
from shadowlab.kernel.queueing import asked, held
from shadowlab.model.impairment import Impairment
from shadowlab.shadow.apply import apply
from shadowlab.wire import pkt_sched
from shadowlab.wire.netem import Netem, parse_netem
from shadowlab.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Request,
    attributes,
    pack_attribute,
    pack_nested,
    pack_text,
    walk_messages,
)

_TBF = struct.Struct("=BBHhHI12xIII")  # tc_ratespec, a second one of zeros, limit, buffer, mtu
_TCA_TBF_PARMS, _TCA_TBF_BURST = 1, 6
_ETHERNET = 1

NEW, SEND, SYSCTL, MARK = range(4)
"""The records of a recording."""
_RECORD = struct.Struct("=III")  # which, the namespace's descriptor (0: home), bytes that follow


def _set_tbf(index: int, rate_bps: int) -> Request:
    body = pkt_sched.TCMSG.pack(0, index, pkt_sched.ROOT_HANDLE, pkt_sched.TC_H_ROOT, 0) + _tbf_options(rate_bps)
    return Request(pkt_sched.RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)


@cache  # packing is paid for netem
def _tbf_options(rate_bps: int) -> bytes:
    values = _TBF.pack(0, _ETHERNET, 0, 0, 0, rate_bps // 8, LIMIT_BYTES, 0, 0)
    return pack_text(pkt_sched.TCA_KIND, "tbf") + pack_nested(
        pkt_sched.TCA_OPTIONS,
        pack_attribute(_TCA_TBF_PARMS, values),
        pack_attribute(_TCA_TBF_BURST, struct.pack("=I", BURST_BYTES)),
    )


class TbfSegment(LinuxSegment):
    """Where the kernel has no netem: a token bucket in its place, asked for, read back and compared.

    What netem costs Python is paid all the same: its options are packed, then parsed again and compared.
    """

    def __init__(self) -> None:
        super().__init__()
        self._buckets: dict[str, dict[str, tuple[str, tuple[Netem, ...], list[bytes], int]]] = {}

    def set_netem(self, node: str, name: str, impairment: Impairment) -> None:
        tried = f"set tbf on {node}/{name} ({impairment.describe()})"
        namespace = self._namespace(node, tried)
        record = namespace.interface(name, tried)
        netems, requests = self._valid(tried, lambda: asked.netem_requests(record, impairment))
        rate_bps = impairment.rate_bps or 0
        self._queue(namespace, _set_tbf(record.ifindex, rate_bps), tried)
        self._buckets.setdefault(node, {})[name] = (tried, netems, [one.body for one in requests], rate_bps // 8)
        if not self._batching or namespace.netlink.full:
            self._flush()

    def _flush(self) -> None:
        super()._flush()
        buckets, self._buckets = self._buckets, {}
        for node, wanted in buckets.items():
            namespace = self._namespaces[node]
            roots = {state.ifindex: state for state in held.read_disciplines(namespace) if state.kind == "tbf"}
            for name, (tried, netems, packed, rate) in wanted.items():
                options = roots[namespace.interface(name, tried).ifindex].options
                taken = _TBF.unpack_from(attributes(options)[_TCA_TBF_PARMS])[5]
                if taken != rate:
                    raise KernelRefusedError(tried=tried, errno_name="read back", why=f"it holds {taken} bytes/s")
                told = [attributes(one, pkt_sched.TCMSG.size)[pkt_sched.TCA_OPTIONS] for one in packed]
                held.check_netems(tried, netems, list(map(parse_netem, told)))


class RecordingSocket(NetlinkSocket):
    """Keeps every change it sends, with the namespace it was sent in.  Questions are not kept."""

    records: ClassVar[list[tuple[int, str, bytes]]] = []

    def _send(self, payload: bytes) -> None:
        changes = [message for message in walk_messages(payload) if message.kind & 3 != 2]  # of four, the third asks
        if changes:
            self.records.append((SEND, self._where, payload))
        super()._send(payload)


class _Recording(LinuxSegment):
    """Mixed into a segment: namespaces and sysctls are recorded as well."""

    socket_kind = RecordingSocket

    def create_namespace(self, node: str, *, ipv6: bool = False) -> None:
        super().create_namespace(node, ipv6=ipv6)
        RecordingSocket.records.append((NEW, node, b""))
        for key, value in self._unquiet[ipv6]:
            RecordingSocket.records.append((SYSCTL, node, f"sys/{key}\0{value}\0".encode()))

    def set_sysctl(self, node: str, key: str, value: str) -> None:
        super().set_sysctl(node, key, value)
        RecordingSocket.records.append((SYSCTL, node, f"sys/{key}\0{value}\0".encode()))

    def descriptor(self, node: str) -> int:
        return self._namespaces[node].fd if node in self._namespaces else 0


class RecordingSegment(_Recording):
    """With netem."""


class RecordingTbfSegment(_Recording, TbfSegment):
    """With a token bucket in its place."""


def _steps(work: Workload, segment: LinuxSegment) -> Iterator[str]:
    apply(work.build, segment)
    yield "build"
    apply((work.change,), segment)
    yield "change"
    apply(work.more, segment)
    yield "more"


def time_ours(work: Workload) -> dict[str, float]:
    """Seconds of each step; ``down`` until we are done, ``gone`` until the kernel is."""
    with Witness() as witness:
        segment = TbfSegment() if discipline() == "tbf" else LinuxSegment()
        seconds = {}
        begin, used = time.monotonic(), time.process_time()
        with segment:
            for step in _steps(work, segment):
                now, now_used = time.monotonic(), time.process_time()
                seconds[step], seconds[f"{step}_cpu"] = now - begin, now_used - used
                begin, used = now, now_used
        return seconds | witness.ends(begin)


def record(work: Workload, path: Path) -> None:
    """What the kernel is asked for, step by step, into a file."""
    segment: _Recording = RecordingTbfSegment() if discipline() == "tbf" else RecordingSegment()
    records = RecordingSocket.records
    with segment, path.open("wb") as file:
        for step in _steps(work, segment):
            records.append((MARK, "", f"{step}\0".encode()))
        for which, node, payload in records:
            file.write(_RECORD.pack(which, segment.descriptor(node), len(payload)) + payload)
