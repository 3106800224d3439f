"""Cures at the domain's links: more bandwidth, another queue, a remediation script at their ends.

In: what is allowed, the situation.  Out: candidates whose operations change what links do to packets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shadowlab.mitigate.allowed import ChangeQueue, Script, Upgrade
from shadowlab.mitigate.candidate import EFFORT, Candidate, CureKind
from shadowlab.mitigate.situation import Situation
from shadowlab.model.cure.action import Action, RunRemediation, SetCapacity, SetQueue
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link
from shadowlab.model.queue import Fifo
from shadowlab.model.units import format_rate
from shadowlab.shadow.ops import Op, RunScript
from shadowlab.shadow.plan import impair_ops
from shadowlab.topology.link_keys.restate import restated


def upgrade(one: Upgrade, at: Situation) -> Candidate:
    """Rate and buffer times a factor."""
    words = [
        f"{direction} from {format_rate(rate_bps)} to {format_rate(round(rate_bps * one.factor))}"
        for link in at.links
        for direction in link.directions
        if (rate_bps := link.impairment(direction).rate_bps) is not None
    ]
    if not words:
        return Candidate(
            name=one.name,
            kind="upgrade",
            summary=f"more bandwidth on {at.where}",
            impossible=f"{at.where} has no rate to raise: it is unlimited",
        )

    def wider(link: Link) -> Link:
        factor = 1 / one.factor
        return replace(link, forward=link.forward.scaled(factor), backward=link.backward.scaled(factor))

    return _changed("upgrade", one.name, "pre-scale the bandwidth: " + ", ".join(words), at, wider)


def change_queue(one: ChangeQueue, at: Situation) -> Candidate:
    """Another queue discipline, or another buffer, both ways."""
    queue = one.stated["queue"]
    words = queue if isinstance(queue, int) else queue.kind
    summary = f"give {at.where} another queue: {words}{' packets' if isinstance(queue, int) else ''}"

    def queued(link: Link) -> Link:
        return restated(link, dict.fromkeys(link.directions, one.stated), folder=Path())

    try:
        return _changed("queue", one.name, summary, at, queued)
    except ValueError as error:
        return Candidate(name=one.name, kind="queue", summary=summary, impossible=str(error))


def _changed(kind: CureKind, name: str, summary: str, at: Situation, change: Callable[[Link], Link]) -> Candidate:
    ops: list[Op] = []
    undo: list[Op] = []
    actions: list[Action] = []
    for link in at.links:
        after = at.network.with_links(change(link))
        for direction in link.directions:
            now, then = link.impairment(direction), after.links_by_id[link.id].impairment(direction)
            if then != now:
                ops.extend(impair_ops(at.fabric, after, direction, then))
                undo.extend(impair_ops(at.fabric, at.network, direction, now))
                actions.append(_action(kind, direction, now, then))
    nothing = "" if ops else "it is so already"
    return Candidate(
        name=name,
        kind=kind,
        summary=summary,
        ops=tuple(ops),
        undo=tuple(undo),
        impossible=nothing,
        effort=EFFORT[kind],
        actions=tuple(actions),
    )


def _action(kind: CureKind, way: Direction, now: Impairment, then: Impairment) -> Action:
    if kind == "upgrade":
        return SetCapacity(
            link=way.link,
            source=way.source,
            target=way.target,
            before_bps=now.rate_bps or 0,
            after_bps=then.rate_bps or 0,
        )
    return SetQueue(
        link=way.link, source=way.source, target=way.target, before=queue_words(now), after=queue_words(then)
    )


def queue_words(one: Impairment) -> tuple[str, ...]:
    """As ``tc qdisc`` takes them: the discipline, and its limit where that has a plain one."""
    if one.queue is None:
        return ("pfifo", "limit", str(one.queue_packets))
    if isinstance(one.queue, Fifo):
        return (one.queue.kind, "limit", str(one.queue.packets or one.queue.bytes))
    return (one.queue.kind,)


def script(one: Script, at: Situation) -> Candidate:
    """A remediation script at every router at an end of the domain's links."""
    ops: list[Op] = []
    undo: list[Op] = []
    for link in at.links:
        for direction in link.directions:
            here = at.fabric.by_direction[direction]
            now = link.impairment(direction)
            environment = (
                ("SHADOWLAB_DELAY_NS", str(now.delay_ns)),
                ("SHADOWLAB_INTERFACE", here.name),
                ("SHADOWLAB_JITTER_NS", str(now.jitter_ns)),
                ("SHADOWLAB_LIMIT_PACKETS", str(now.limit_packets())),
                ("SHADOWLAB_LINK", link.id),
                ("SHADOWLAB_NODE", here.node),
                ("SHADOWLAB_PEER", here.peer),
                ("SHADOWLAB_RATE_BPS", str(now.rate_bps or 0)),
            )
            if at.network.nodes_by_id[here.node].kind == "router":
                ops.append(
                    RunScript(
                        node=here.node,
                        name=one.name,
                        text=one.text,
                        environment=environment,
                        timeout_ns=one.timeout_ns,
                    )
                )
                undo.extend(impair_ops(at.fabric, at.network, direction, now))
    summary = f"run the remediation script {one.name} at both ends of {at.where}"
    made = Candidate(name=one.name, kind="script", summary=summary, effort=EFFORT["script"])
    if one.faults and at.domain.kind not in one.faults:
        return replace(made, impossible=f"it is for {', '.join(one.faults)}, and this is {at.domain.kind}")
    if not ops:
        return replace(made, impossible=f"{at.where} has no router at its ends to run it on")
    scripts = tuple(
        RunRemediation(
            node=op.node,
            link=dict(op.environment)["SHADOWLAB_LINK"],
            name=one.name,
            text=one.text,
            timeout_s=one.timeout_ns / 1e9,
        )
        for op in ops
        if isinstance(op, RunScript)
    )
    return replace(made, ops=tuple(ops), undo=tuple(undo), actions=scripts)
