"""The part of driving a lab that runs where the lab is: in the guest, or beside a lab on the host's kernel.

In: a lab's id, its shape, flows.  Out: bytes on the wire for a stated time; how each flow ended.
Never: traffic beyond that time, or outside the lab.  Imported inside the guest: standard library only.

In the guest it is a program of its own, started in a node: whoever lives in the lab meanwhile is not held up by it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from shadowlab.errors import ShadowLabError
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.named import NamedSegment
from shadowlab.model.flow import FlowSpec
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.shadow.ops import Op
from shadowlab.shadow.recover import standing_nodes
from shadowlab.shadow.shape import shape_of
from shadowlab.traffic.engine import Engine

TELL_EVERY_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Drive:
    """What to drive.  ``ops`` amount to the lab's shape; ``addresses`` are those of the flows' nodes."""

    lab: str
    ops: tuple[Op, ...]
    flows: tuple[FlowSpec, ...]
    addresses: Mapping[str, str]
    addresses6: Mapping[str, str]
    duration_ns: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Driven:
    """One flow, after it."""

    flow: str
    state: str
    failures: int
    last_failure: str
    written_bytes: int
    received_bytes: int
    unsent_bytes: int
    """Earned by a paced writer, and not taken by TCP in time."""
    differs: str = ""
    """What its connection holds otherwise than its specification wished."""


@dataclass(frozen=True, kw_only=True)
class DriveReport:
    """How it went.  ``late_p99_ns``: of a hundred timers ninety-nine were not later than that."""

    flows: tuple[Driven, ...]
    late_p99_ns: int
    late_max_ns: int


OnDone = Callable[[float], None]
"""Called about once a second with the share of the time that is over, 0 to 1."""


def adopt_and_drive(job: Drive, on_done: OnDone) -> DriveReport:
    """Drive in the lab's standing namespaces.  Raises ShadowLabError if the kernel refuses a flow."""
    used = {node for flow in job.flows for node in (flow.source, flow.target)}
    with NamedSegment(job.lab, next_ifindex=0) as segment, Loop() as loop:
        for node, standing in standing_nodes(shape_of(job.ops)).items():
            if node in used:
                segment.adopt(node, standing)
        with Engine(
            loop=loop,
            segment=segment,
            flows=job.flows,
            addresses=job.addresses,
            addresses6=job.addresses6,
            seed=job.seed,
            other_ports=True,
        ) as engine:
            begin_ns = loop.catch_up()

            def tell(due_ns: int) -> None:
                on_done(min(1.0, (due_ns - begin_ns) / job.duration_ns))
                loop.at(due_ns + TELL_EVERY_NS, tell)

            engine.start(begin_ns)
            loop.at(begin_ns, tell)
            loop.run_until(begin_ns + job.duration_ns)
            lateness = loop.lateness()
            flows = tuple(_driven(name, how) for name, how in engine.summary().items())
            return DriveReport(flows=flows, late_p99_ns=lateness.p99_ns, late_max_ns=lateness.max_ns)


def _driven(name: str, how: Mapping[str, int | str]) -> Driven:
    """Of what the engine tells of a flow, what a report holds."""
    wanted = {field.name for field in fields(Driven)}
    driven: Driven = from_plain(Driven, {"flow": name, **{key: how[key] for key in how if key in wanted}})
    return driven


def main() -> None:
    """The program: the job comes on standard input; a JSON line for each second, and one for the end."""

    def say(message: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
        sys.stdout.flush()

    job: Drive = from_plain(Drive, json.load(sys.stdin))
    try:
        report = adopt_and_drive(job, lambda share: say({"done": share}))
    except ShadowLabError as error:
        say({"error": str(error)})
        sys.exit(1)
    say({"driven": to_plain(report)})
