"""The part of ``shadowlab trace`` that runs where the lab is: in the guest, or beside a lab on the host's kernel.

In: a question.  Out: the way by the routing tables and by packets, and the path's MTU.
Imported inside the guest: standard library only.  Namespaces are taken up one by one, as the way leads there.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.named import NamedSegment
from shadowlab.kernel.ports import Flow, NextHop
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.monitor.tracing.by_ttl import TtlTracer
from shadowlab.monitor.tracing.mtu import MtuFinder
from shadowlab.monitor.tracing.question import PathMtu, Question, Traced
from shadowlab.monitor.tracing.witness import Book, agree
from shadowlab.shadow.ops import Op
from shadowlab.shadow.recover import standing_nodes
from shadowlab.shadow.shape import shape_of
from shadowlab.shadow.trace import Trace, trace


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What to trace, in the lab that ``ops`` amount to."""

    lab: str
    ops: tuple[Op, ...]
    question: Question
    count: int
    wait_ns: int
    mtu: bool
    leaving: Mapping[str, str]
    gateways: Mapping[str, str]
    book: Book


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The way by packets; by the routing tables the nodes, and why it ends early (empty: it does not)."""

    traced: Traced
    tables: tuple[str, ...]
    fault: str
    agree: bool
    mtu: PathMtu | None


class _Door:
    """A lab's namespaces, each taken up when it is first asked for."""

    def __init__(self, segment: NamedSegment, ops: tuple[Op, ...]) -> None:
        self._segment = segment
        self._standing = dict(standing_nodes(shape_of(ops)))

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        return self._at(node).next_hop(node, destination, source, arrived_by, flow)

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        return self._at(node).open_socket(node, family, kind, protocol)

    def _at(self, node: str) -> NamedSegment:
        standing = self._standing.pop(node, None)
        if standing is not None and not self._segment.adopt(node, standing):
            raise ShadowFailedError(f"the namespace of {node} is gone, or is not the lab's any more")
        return self._segment


def answer(asked: Asked) -> Answered:
    """Read the way from the routing tables, then ask packets.  Raises KernelRefusedError for a port that is taken."""
    with NamedSegment(asked.lab, next_ifindex=0) as segment, Loop() as loop:
        door, question = _Door(segment, asked.ops), asked.question
        book = asked.book.addresses6 if question.ipv6 else asked.book.addresses

        def way(source: str, target: str, flow: Flow) -> Trace:
            try:
                return trace(door, asked.leaving, book, source, target, gateways=asked.gateways, flow=flow)
            except KernelRefusedError as error:
                if error.errno_name != "EOPNOTSUPP":  # this kernel does not tell the way of a flow
                    raise
                return Trace(directions=())

        there = way(question.source, question.target, question.flow)
        back = way(question.target, question.source, Flow(question.flow.protocol, *question.flow[:0:-1]))
        question = replace(question, leaves_by=_left_by(there), answers_by=_left_by(back))
        try:
            (seen,) = TtlTracer(
                loop=loop, segment=door, books=asked.book, count=asked.count, wait_ns=asked.wait_ns
            ).trace([question])
            mtu = None
            if asked.mtu:
                (mtu,) = MtuFinder(loop=loop, segment=door, books=asked.book, wait_ns=asked.wait_ns).find([question])
        except OSError as error:
            ports = f"ports {question.flow.source_port} and {question.flow.destination_port}"
            raise ShadowFailedError(f"cannot send as {question.flow.protocol} of {ports}: {error.strerror}") from error
        nodes = tuple(node for node in there.nodes if node in book)
        return Answered(
            traced=seen,
            tables=nodes,
            fault=str(there.fault or ""),
            agree=not there.steps or agree(nodes or (question.source,), there, seen),
            mtu=mtu,
        )


def _left_by(way: Trace) -> str:
    hop = way.steps[0].hop if way.steps else None
    return "" if hop is None or hop.local else hop.interface


def main() -> None:
    """The program: what is asked comes on standard input, the answer goes to standard output."""
    asked: Asked = from_plain(Asked, json.load(sys.stdin))
    try:
        sys.stdout.write(json.dumps({"answered": to_plain(answer(asked))}) + "\n")
    except (ShadowFailedError, KernelRefusedError) as error:
        sys.stdout.write(json.dumps({"failed": str(error)}) + "\n")
