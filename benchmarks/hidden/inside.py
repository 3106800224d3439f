"""Inside production's own segment: build it, drive it, record what its hosts' agents would, and the truth.

In: a job, the hosts that have an agent, how wrong their clocks are.  Out: in the folder ``telemetry.bin`` (sock_diag
messages, as an agent reads them once a second, and those of sockets that ended in between) and the raw records of the
truth.  Never: a probe; a host without an agent in the telemetry.  Standard library only.
"""

from __future__ import annotations

import json
import struct
from contextlib import ExitStack
from functools import partial
from typing import Any

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.sock_diag import SocketReader
from shadowlab.lab.job import Job
from shadowlab.model.plain import from_plain
from shadowlab.monitor.exchanges.recording import ExchangeRecorder
from shadowlab.monitor.observe import Observer
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.replicate.sending.changes import STATES
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import TimedChange
from shadowlab.traffic import engine as flows_engine
from shadowlab.traffic.engine import Engine
from shadowlab.traffic.exchange import sockets as exchange_sockets
from shadowlab.traffic.exchange.engine import Exchanges
from shadowlab.wire.inet_diag import SOCK_DESTROY, SOCK_DIAG_BY_FAMILY

TELEMETRY_FILE, LOG_FILE = "telemetry.bin", "inside.json"
EPOCH_NS = 1_760_000_000_000_000_000
"""The run's zero by a clock that is right."""
READ_EVERY_NS, HEAR_EVERY_NS = 1_000_000_000, 50_000_000
_NOOP = 1


def run(job_path: str, folder: str) -> int:
    """The entry point."""
    with open(job_path, "rb") as file:
        task = json.load(file)
    job = from_plain(Job, task["job"])
    names = {
        "path": [],
        "flow": [flow.id for flow in job.flows],
        "workload": [one.name for one in job.workloads],
        "node": sorted(job.addresses),
        "interface": [one.direction for one in job.watched],
    }
    failures: list[str] = []
    # Clients of production take their ports where every Linux takes them; a shadow's are known by theirs.
    exchange_sockets.FIRST_SOURCE_PORT = 40_001
    flows_engine.FIRST_SOURCE_PORT = 35_000
    with (
        RawFiles(folder, names) as files,
        LinuxSegment() as segment,
        Loop() as loop,
        open(f"{folder}/{TELEMETRY_FILE}", "wb") as out,
    ):
        apply(job.build, segment)
        recorder = ExchangeRecorder(files, names["node"])
        with (
            Engine(loop=loop, segment=segment, flows=job.flows, addresses=job.addresses, seed=job.seed) as engine,
            Exchanges(loop=loop, segment=segment, workloads=job.workloads, compute={}, addresses=job.addresses,
                      seed=job.seed, sink=recorder.completed) as exchanges,
            ExitStack() as readers,
        ):  # fmt: skip
            observer = Observer(
                loop=loop,
                segment=segment,
                flows=engine.drives,
                interfaces=[(one.node, one.interface) for one in job.watched],
                files=files,
                sample_every_ns=job.sample_every_ns,
            )
            zero = (loop.now_ns // 10**9 + 2) * 10**9
            for node, clock_ns in sorted(task["agents"].items()):
                reader = readers.enter_context(SocketReader(partial(segment.open_socket, node)))
                _Agent(loop, reader, node, clock_ns, out).start(zero, task["told_ns"])
            engine.start(zero)
            exchanges.start(zero, job.duration_ns)
            observer.start(zero, job.duration_ns)
            for change in job.timeline:
                loop.at(zero + change.at_ns, partial(_change, segment, change, failures))
            loop.at(zero + job.duration_ns, lambda due_ns: exchanges.finish())
            loop.run_until(zero + job.duration_ns + 10**7)
    with open(f"{folder}/{LOG_FILE}", "w") as file:
        json.dump({"failures": failures}, file)
    return 0


def _change(segment: LinuxSegment, change: TimedChange, failures: list[str], due_ns: int) -> None:
    scripts = [done.script for done in apply(change.ops, segment) if done.script is not None]
    failures.extend(f"{change.reason}: {one.output[:200]}" for one in scripts if one.exit_code)


class _Agent:
    """Of one host: tells all its sockets once a second, and each that ended, by its own clock."""

    def __init__(self, loop: Loop, reader: SocketReader, node: str, clock_ns: int, out: Any) -> None:
        self._loop, self._reader, self._node, self._out = loop, reader, node, out
        self._clock_ns = clock_ns
        self._zero_ns = self._end_ns = 0

    def start(self, zero_ns: int, duration_ns: int) -> None:
        self._zero_ns, self._end_ns = zero_ns, zero_ns + duration_ns
        self._loop.at(zero_ns, self._read)
        self._loop.at(zero_ns + HEAR_EVERY_NS // 2, self._hear)

    def _tell(self, kind: int, messages: list[bytes]) -> None:
        if not messages:
            return
        at_ns = EPOCH_NS + self._loop.now_ns - self._zero_ns + self._clock_ns
        header = f"# instance {self._node} at {at_ns // 10**9}.{at_ns % 10**9:09}".encode()
        self._out.write(_message(_NOOP, header))
        for body in messages:
            self._out.write(_message(kind, body))

    def _read(self, due_ns: int) -> None:
        self._tell(SOCK_DIAG_BY_FAMILY, list(self._reader.dump(STATES)))
        if due_ns + READ_EVERY_NS <= self._end_ns:
            self._loop.at(due_ns + READ_EVERY_NS, self._read)

    def _hear(self, due_ns: int) -> None:
        self._tell(SOCK_DESTROY, list(self._reader.ended()))
        if due_ns + HEAR_EVERY_NS <= self._end_ns:
            self._loop.at(due_ns + HEAR_EVERY_NS, self._hear)


def _message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + b"\0" * (-len(body) % 4)
