"""Operations are executed, in order, through the door to the kernel.

In: operations, a segment.  Out: what happened to each.  Never: a decision, and no branch worth a test.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.ports import MAIN_TABLE, Hop, InitialWindows, Rule, ScriptOutcome, Segment
from shadowlab.model.impairment import DEFAULT_MTU, Impairment
from shadowlab.shadow.ops import (
    BRIDGE,
    CreateLink,
    CreateNode,
    ImpairEgress,
    ImpairIngress,
    Op,
    RemoveLink,
    RemoveNeighbour,
    RemoveNode,
    RemoveRoute,
    RunScript,
    SetLinkState,
    SetNeighbour,
    SetRoute,
    SetTransport,
)
from shadowlab.shadow.traffic_ops import ScaleDemand, SetCongestion, SetPacing, SetServers, SetWorkers, TrafficOp

OnScript = Callable[[RunScript], ScriptOutcome]
OnTraffic = Callable[[TrafficOp], None]
OnStep = Callable[[Op], None]

LOOPBACK = "lo"
FORWARDING = "net/ipv4/ip_forward"
FORWARDING6 = "net/ipv6/conf/all/forwarding"
HASH_SEED = "net/ipv4/fib_multipath_hash_seed"
BRIDGE_MAC = "02:ff:00:00:00:00"
"""Of every segment's bridge: it sends nothing itself, and each is alone in its namespace."""


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
    on_traffic: OnTraffic | None = None,
    on_step: OnStep | None = None,
) -> tuple[Applied, ...]:
    """Execute ``ops`` in order, together.  Raises KernelRefusedError for the first that the kernel refused.

    With ``on_step`` they are executed one by one, and it is called after each: tests stop the program there.

    Scripts run at once in their node, or as ``on_script`` has it; traffic is its driver's, ``on_traffic``.
    Links that were taken up are waited for until they carry packets.
    """

    def run_in_segment(op: RunScript) -> ScriptOutcome:
        return segment.run_script(op.node, op.argv, dict(op.environment), op.timeout_ns, op.text)

    def execute(op: Op) -> Applied:
        done = _execute(op, segment, on_script or run_in_segment, on_traffic or _refuse_traffic)
        if on_step is not None:
            on_step(op)
        return done

    with segment.batch() if on_step is None else nullcontext():
        happened = tuple(map(execute, ops))
    last = {op.link: op for op in ops if isinstance(op, SetLinkState | RemoveLink)}
    raised = [op for op in last.values() if isinstance(op, SetLinkState) and op.up]
    segment.wait_for_links([end for op in raised for end in ((op.node_a, op.name_a), (op.node_b, op.name_b))])
    return happened


def _execute(op: Op, segment: Segment, on_script: OnScript, on_traffic: OnTraffic) -> Applied:
    match op:
        case CreateNode():
            _create_node(op, segment)
        case CreateLink():
            _create_link(op, segment)
        case ImpairEgress():
            _impair(segment, op.node, op.interface, op.impairment)
        case ImpairIngress():
            segment.redirect_ingress(op.node, op.interface, op.device)
            _impair(segment, op.node, op.device, op.impairment)
        case SetRoute():
            _set_route(op, segment)
        case SetTransport():
            for key, value in op.settings:
                segment.set_sysctl(op.node, key, value)
        case SetNeighbour():
            segment.add_neighbour(op.node, op.interface, op.address, op.mac)
        case SetLinkState():
            segment.set_link_up(op.node_a, op.name_a, up=op.up)
            segment.set_link_up(op.node_b, op.name_b, up=op.up)
        case RemoveRoute():
            _remove_route(op, segment)
        case RemoveNeighbour():
            segment.delete_neighbour(op.node, op.interface, op.address)
        case RemoveLink():
            segment.delete_link(op.node_a, op.name_a)
        case RemoveNode():
            segment.delete_namespace(op.node)
        case ScaleDemand() | SetCongestion() | SetPacing() | SetWorkers() | SetServers():
            on_traffic(op)
        case RunScript():
            return Applied(op=op, script=on_script(op))
    return Applied(op=op)


def _create_node(op: CreateNode, segment: Segment) -> None:
    segment.create_namespace(op.node, ipv6=op.ipv6 and not op.bridges)
    segment.set_sysctl(op.node, FORWARDING, str(int(op.forwards)))
    if op.bridges:
        segment.create_bridge(op.node, BRIDGE, mac=BRIDGE_MAC, mtu=DEFAULT_MTU, alias=op.node)
        return
    segment.add_address(op.node, LOOPBACK, op.address, 32)
    if op.address6:
        segment.set_sysctl(op.node, FORWARDING6, str(int(op.forwards)))
        segment.add_address(op.node, LOOPBACK, op.address6, 128)
    if op.hash_seed:
        _seed_hash(op, segment)


def _seed_hash(op: CreateNode, segment: Segment) -> None:
    """Kernels before 6.11 have one seed for all; then routers in a row choose alike."""
    try:
        segment.set_sysctl(op.node, HASH_SEED, str(op.hash_seed))
    except KernelRefusedError as error:
        if error.errno_name != "ENOENT":
            raise


def _set_route(op: SetRoute, segment: Segment) -> None:
    table = op.table or MAIN_TABLE
    if op.via:
        weights = op.weights or (1,) * len(op.hops)
        hops = [Hop(name, via, weight) for (via, name), weight in zip(op.hops, weights, strict=True)]
        windows = InitialWindows(op.initial_cwnd, op.initial_rwnd)
        segment.replace_route(op.node, op.destination, op.prefix, hops, table=table, windows=windows)
    else:
        segment.replace_by_black_hole(op.node, op.destination, op.prefix, table=table)
    if op.source and (rule := _rule(op)) not in segment.rules(op.node):
        segment.add_rule(op.node, rule)


def _remove_route(op: RemoveRoute, segment: Segment) -> None:
    if not op.source:
        segment.delete_route(op.node, op.destination, op.prefix)
        return
    if (rule := _rule(op)) in segment.rules(op.node):
        segment.delete_rule(op.node, rule)
    # The route in the table may be gone with its link; the rule never is.
    if any(
        (one.destination, one.prefix, one.table) == (op.destination, op.prefix, op.table)
        for one in segment.routes(op.node)
    ):
        segment.delete_route(op.node, op.destination, op.prefix, table=op.table)


def _rule(op: SetRoute | RemoveRoute) -> Rule:
    """Its table's number is its priority as well: before main's, and each of its own."""
    source = f"{op.source}/{op.prefix}"
    return Rule(source=source, destination=f"{op.destination}/{op.prefix}", table=op.table, priority=op.table)


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
    ends = (
        (op.node_a, op.name_a, ((op.address_a, op.prefix), (op.address6_a, op.prefix6)), op.mac_a),
        (op.node_b, op.name_b, ((op.address_b, op.prefix), (op.address6_b, op.prefix6)), op.mac_b),
    )
    for node, name, addresses, _ in ends:
        if not addresses[0][0]:
            segment.set_bridge_port(node, name, BRIDGE)
        for address, prefix in addresses:
            if address:
                segment.add_address(node, name, address, prefix)
    if op.address_a and op.address_b:
        for (node, name, *_), (_, _, addresses, mac) in (ends, reversed(ends)):
            for address, _ in addresses:
                if address:
                    segment.add_neighbour(node, name, address, mac)


def _refuse_traffic(op: TrafficOp) -> None:
    raise ShadowFailedError(f"{op.describe()}: nothing drives traffic here")
