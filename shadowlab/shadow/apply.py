"""Operations are executed, in order, through the door to the kernel.

In: operations, a segment.  Out: what happened to each.  Never: a decision, and no branch worth a test.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.ports import Hop, ScriptOutcome, Segment
from shadowlab.model.impairment import Impairment
from shadowlab.shadow.ops import (
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    Op,
    RemoveLink,
    RemoveNode,
    RemoveRoute,
    RunScript,
    ScaleDemand,
    SetLinkState,
    SetRoute,
)

OnScript = Callable[[RunScript], ScriptOutcome]
OnDemand = Callable[[ScaleDemand], None]
OnStep = Callable[[Op], None]

LOOPBACK = "lo"
FORWARDING = "net/ipv4/ip_forward"


@dataclass(frozen=True, kw_only=True)
class Applied:
    """An operation that was executed.  ``script`` is what a script left behind."""

    op: Op
    script: ScriptOutcome | None = None


def apply(
    ops: Sequence[Op],
    segment: Segment,
    *,
    on_script: OnScript | None = None,
    on_demand: OnDemand | None = None,
    on_step: OnStep | None = None,
) -> tuple[Applied, ...]:
    """Execute ``ops`` in order, together.  Raises KernelRefusedError for the first that the kernel refused.

    With ``on_step`` they are executed one by one, and it is called after each: tests stop the program there.

    Scripts run at once in their node, or as ``on_script`` has it; demand is whoever drives traffic's, ``on_demand``.
    Links that were taken up are waited for until they carry packets.
    """

    def run_in_segment(op: RunScript) -> ScriptOutcome:
        return segment.run_script(op.node, op.argv, dict(op.environment), op.timeout_ns, op.text)

    def execute(op: Op) -> Applied:
        done = _execute(op, segment, on_script or run_in_segment, on_demand or _refuse_demand)
        if on_step is not None:
            on_step(op)
        return done

    with segment.batch() if on_step is None else nullcontext():
        happened = tuple(map(execute, ops))
    last = {op.link: op for op in ops if isinstance(op, SetLinkState | RemoveLink)}
    raised = [op for op in last.values() if isinstance(op, SetLinkState) and op.up]
    segment.wait_for_links([end for op in raised for end in ((op.node_a, op.name_a), (op.node_b, op.name_b))])
    return happened


def _execute(op: Op, segment: Segment, on_script: OnScript, on_demand: OnDemand) -> Applied:
    match op:
        case CreateNode():
            segment.create_namespace(op.node)
            segment.set_sysctl(op.node, FORWARDING, str(int(op.forwards)))
            segment.add_address(op.node, LOOPBACK, op.address, 32)
        case CreateLink():
            _create_link(op, segment)
        case ImpairEgress():
            _impair(segment, op.node, op.interface, op.impairment)
        case ImpairIngress():
            segment.redirect_ingress(op.node, op.interface, op.device)
            _impair(segment, op.node, op.device, op.impairment)
        case SetRoute():
            segment.replace_route(op.node, op.destination, op.prefix, (Hop(op.interface, op.via),))
        case SetLinkState():
            segment.set_link_up(op.node_a, op.name_a, up=op.up)
            segment.set_link_up(op.node_b, op.name_b, up=op.up)
        case RemoveRoute():
            segment.delete_route(op.node, op.destination, op.prefix)
        case RemoveLink():
            segment.delete_link(op.node_a, op.name_a)
        case RemoveNode():
            segment.delete_namespace(op.node)
        case ScaleDemand():
            on_demand(op)
        case RunScript():
            return Applied(op=op, script=on_script(op))
    return Applied(op=op)


def _impair(segment: Segment, node: str, device: str, impairment: Impairment) -> None:
    if impairment.queue is not None:
        segment.set_shaper(node, device, impairment.shaper())
    else:
        segment.set_netem(node, device, impairment)


def _create_link(op: CreateLink, segment: Segment) -> None:
    segment.create_veth(
        node_a=op.node_a,
        name_a=op.name_a,
        mac_a=op.mac_a,
        node_b=op.node_b,
        name_b=op.name_b,
        mac_b=op.mac_b,
        mtu=op.mtu,
        alias=op.link,
        offload=op.offload,
    )
    segment.add_address(op.node_a, op.name_a, op.address_a, op.prefix)
    segment.add_address(op.node_b, op.name_b, op.address_b, op.prefix)
    segment.add_neighbour(op.node_a, op.name_a, op.address_b, op.mac_b)
    segment.add_neighbour(op.node_b, op.name_b, op.address_a, op.mac_a)


def _refuse_demand(op: ScaleDemand) -> None:
    raise ShadowFailedError(f"{op.describe()}: nothing drives traffic here")
