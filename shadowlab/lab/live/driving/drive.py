"""Replicated traffic in a living lab: the flows of a recording run between its nodes.

In: a lab, telemetry of any format, a time.  Out: traffic for that long, and what became of each flow.
Never: a flow that outlives the command; a change of the lab (others may make some meanwhile).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shadowlab.calibrate.demand import read_demands
from shadowlab.errors import Fault, InputError
from shadowlab.lab.live.driving import drive_inside
from shadowlab.lab.live.driving.drive_inside import Drive, DriveReport, OnDone
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.inside_program import Message, run_inside
from shadowlab.lab.live.lab import LiveLab
from shadowlab.lab.sources import attach_file
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain
from shadowlab.model.units import NS_PER_S
from shadowlab.shadow.readback import ops_of

SEED = 1
_PATIENCE_S = 60.0
"""Beyond its time driving has so long to begin and to end before it is given up: machines are slow."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The flows of a recording, and what of it became none, by reason."""

    flows: tuple[FlowSpec, ...]
    left_out: dict[str, int]


def recorded_flows(telemetry: Path, network: Network) -> Recorded:
    """What can be driven of a recording between the nodes of ``network``.  Raises InputError if nothing can."""
    attachment, use = attach_file(telemetry, network)
    demands = read_demands(attachment.connections, network)
    left_out = dict(use.left_out)
    if demands.unknown:
        left_out["connections whose demand no record tells"] = len(demands.unknown)
    if demands.workloads:
        left_out["pairs of nodes with short connections, which a lab does not drive"] = len(demands.workloads)
    if not demands.flows:
        why = "; ".join(f"{reason}: {count}" for reason, count in left_out.items()) or "it holds none"
        message = f"no connection of this telemetry can be driven between two instances of the lab; left out: {why}"
        raise InputError(Fault(place=str(telemetry), message=message))
    return Recorded(flows=demands.flows, left_out=left_out)


def drive(lab: LiveLab, flows: tuple[FlowSpec, ...], *, duration_ns: int, on_done: OnDone) -> DriveReport:
    """Let the flows run for ``duration_ns`` on the lab's real clock.

    Raises ShadowFailedError if the kernel refuses one, or the lab goes away.
    """
    with lab.in_use() as known:
        ground = lab.ground(known)
        nodes = known.shape.nodes
    used = {node for flow in flows for node in (flow.source, flow.target)}
    job = Drive(
        lab=known.begun.lab,
        ops=ops_of(known.shape),
        flows=flows,
        addresses={name: nodes[name].address for name in sorted(used)},
        addresses6={name: nodes[name].address6 for name in sorted(used) if nodes[name].address6},
        duration_ns=duration_ns,
        seed=SEED,
    )
    if not isinstance(ground, EmbeddedGround):
        return drive_inside.adopt_and_drive(job, on_done)

    def on_message(message: Message) -> None:
        if "done" in message:
            on_done(message["done"])

    said = run_inside(
        ground,
        drive_inside.__name__,
        job,
        node=flows[0].source,
        what=f"lab {lab.name}: driving the flows",
        timeout_s=duration_ns / NS_PER_S + _PATIENCE_S,
        on_message=on_message,
    )
    report: DriveReport = from_plain(DriveReport, said["driven"])
    return report
