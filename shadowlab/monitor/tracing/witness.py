"""Packets as witnesses of the routes of a run: each path's way is also traced by TTL, at the start and when it changes.

In: ways as the routing tables tell them.  Out: what packets say of them, and whether both agree.
Never: a judgement upon it.  Imported inside the guest: standard library only.

Crafted segments of the path's first flow are sent, one for each number of hops, so it costs a few packets per path and
change.  Routers are told to answer all of them: Linux would answer one asker six times, and then once a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.loop import Loop
from shadowlab.monitor.probe_sockets import ProbeDoor
from shadowlab.monitor.tracing.by_ttl import TtlTracer
from shadowlab.monitor.tracing.question import Question, Traced
from shadowlab.shadow.trace import Trace

MOST_PATHS = 100
"""So many paths are traced at one moment; the others have the routing tables' word only."""

_ANSWER_ALL = (("net/ipv4/icmp_ratemask", "0"), ("net/ipv6/icmp/ratemask", "0"))


class WitnessDoor(ProbeDoor, Protocol):
    """The part of :class:`~shadowlab.kernel.ports.Segment` that witnesses use."""

    def set_sysctl(self, node: str, key: str, value: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Book:
    """Addresses by node, and whose an address is."""

    addresses: Mapping[str, str]
    addresses6: Mapping[str, str]
    owners: Mapping[str, str] = field(default_factory=dict)


def answer_all(segment: WitnessDoor, node: str) -> None:
    """Let a node answer every packet that ends at it, however many come."""
    for key, value in _ANSWER_ALL:
        with suppress(KernelRefusedError):  # no IPv6 there, or an old kernel: some hops will not answer
            segment.set_sysctl(node, key, value)


class Witnesses:
    """Call :meth:`ask` with the ways that are new; what they say gathers in :attr:`statements`."""

    def __init__(self, *, loop: Loop, segment: WitnessDoor, book: Book) -> None:
        self._segment = segment
        self._book = book
        self._tracer = TtlTracer(loop=loop, segment=segment, books=book)
        self._told: set[str] = set()
        self.statements: list[dict[str, object]] = []
        """One for each way asked: moment, path, nodes as the tables and as packets have them, whether they agree."""
        self.left_out = 0

    def ask(self, at_ns: int, asked: Sequence[tuple[Question, Trace]]) -> None:
        """Trace them by packets.  Answers come while the loop runs."""
        self.left_out += max(0, len(asked) - MOST_PATHS)
        for question, way in asked[:MOST_PATHS]:
            for node in way.nodes:
                if node not in self._told and self._book.addresses.get(node):
                    self._told.add(node)
                    answer_all(self._segment, node)
            try:
                self._tracer.ask(question, lambda seen, way=way: self._on_done(at_ns, seen, way))  # type: ignore[misc]
            except (OSError, KernelRefusedError):
                self.left_out += 1

    def _on_done(self, at_ns: int, seen: Traced, way: Trace) -> None:
        told = self.nodes_of(seen.question, way)
        self.statements.append(
            {
                "at_ns": at_ns,
                "path": f"{seen.question.source}→{seen.question.target}",
                "family": 6 if seen.question.ipv6 else 4,
                "tables": list(told),
                "packets": list(seen.nodes),
                "outcome": seen.outcome,
                "at": seen.at,
                "agree": agree(told, way, seen),
            }
        )

    def nodes_of(self, question: Question, way: Trace) -> tuple[str, ...]:
        """The nodes of a way that have addresses: a LAN's segment passes packets on without counting them."""
        return tuple(node for node in way.nodes or (question.source,) if self._book.addresses.get(node))


def agree(tables: Sequence[str], way: Trace, seen: Traced) -> bool:
    """Whether packets went as the routing tables say.

    A node without a route drops a packet before it counts its hops, and often without a word: the last that answers is
    the node before it.
    """
    if way.fault is None:
        return seen.outcome == "arrived" and tuple(tables) == seen.nodes
    if way.fault.kind != seen.outcome:
        return False
    if way.fault.kind == "loop":
        return seen.at in tables
    return seen.at in tables[-2:]
