"""The ways of a run's paths and flows, read from the live routes; and probes that keep to them.

In: the segment, who is probed, who runs.  Out: lines in ``trace.jsonl``, streams for the prober.
Never: a route taken from the plan.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from shadowlab.kernel.ports import Flow
from shadowlab.model.flow import Path
from shadowlab.monitor.layout import FAULT_MARK
from shadowlab.monitor.probe_choice import stream_along
from shadowlab.monitor.probe_stream import PROBER_PORT, REFLECTOR_PORT, ProbeKind, Stream
from shadowlab.monitor.tracing.question import Question
from shadowlab.shadow.trace import RouteDoor, Trace, follower, trace


class RunningFlow(NamedTuple):
    """A flow as routers see it: ``there`` is what its source sends."""

    name: str
    source: str
    target: str
    ipv6: bool
    there: Flow

    @property
    def back(self) -> Flow:
        """What its target sends."""
        return Flow(self.there.protocol, self.there.destination_port, self.there.source_port)


class Follows(Protocol):
    """The part of :class:`~shadowlab.monitor.probes.Prober` that is told what to follow."""

    def follow(self, path: int, streams: Sequence[Stream]) -> None: ...


class Records(Protocol):
    """The part of :class:`~shadowlab.monitor.raw_files.RawFiles` that ways are written by."""

    def record_trace(self, at_ns: int, path: str, hops: Sequence[str], flow: str = "") -> None: ...


class Ways:
    """:meth:`look` at the start and after each change of routes.

    ``spreads``: flows are spread over next hops of equal cost.  Then a path's probes take the way of the first of its
    flows in each family, and each flow's own way is recorded too.  ``streams``: of each path one for each family.
    """

    def __init__(
        self,
        *,
        segment: RouteDoor,
        prober: Follows,
        records: Records,
        interface_directions: Mapping[str, str],
        gateways: Mapping[str, str],
        addresses: Mapping[str, str],
        addresses6: Mapping[str, str],
        streams: Sequence[Sequence[Stream]],
        spreads: bool,
        kind: ProbeKind = "auto",
    ) -> None:
        self._segment = segment
        self._prober = prober
        self._records = records
        self._leaving = interface_directions
        self._gateways = gateways
        self._addresses = {False: addresses, True: addresses6}
        self._plain = tuple(tuple(one) for one in streams)
        self._streams = list(self._plain)
        self._told: list[tuple[Stream, ...]] = [() for _ in self._plain]
        self._spreads = spreads
        self._kind = kind
        self._recorded: dict[tuple[str, str, str], list[str]] = {}
        self._followed: dict[tuple[int, bool], object] = {}
        self.choices: list[dict[str, object]] = []
        """What probes were sent as, and how truly they follow: at the start, and again where that changed."""

    def look(self, at_ns: int, flows: Sequence[RunningFlow]) -> list[tuple[Question, Trace]]:
        """Read the ways, there and back, record those that are new or have changed, and let the probes follow.

        The ways of paths from source to target that are new or have changed, each with the question that asks packets
        for it: of the first flow, where flows are spread.
        """
        news: list[tuple[Question, Trace]] = []
        ways = {flow: self._both(flow) for flow in flows} if self._spreads else {}
        if self._spreads or self._kind == "tcp":
            self._choose(flows, ways)
        for index, streams in enumerate(self._streams):
            if self._told[index] != streams:
                self._told[index] = streams
                self._tell(at_ns, streams)
        for streams in self._streams:
            one = streams[0]
            book, told = self._addresses[one.ipv6], self._spreads
            there = self._trace(book, one.source, one.target, one.there if told else None)
            if self._record(at_ns, there, one):
                leader = next((flow for flow in flows if flow.name == one.flow), None) if one.flow else None
                way = ways[leader][0] if leader in ways else there
                news.append((_question(one, leader, way), way))
            self._record(at_ns, self._trace(book, one.target, one.source, one.back if told else None), one, back=True)
        for flow, (there, back) in ways.items():
            self._record(at_ns, there, flow, name=flow.name)
            self._record(at_ns, back, flow, name=flow.name, back=True)
        return news

    @property
    def streams(self) -> tuple[tuple[Stream, ...], ...]:
        """What each path is probed by now."""
        return tuple(self._streams)

    def _both(self, flow: RunningFlow) -> tuple[Trace, Trace]:
        book = self._addresses[flow.ipv6]
        there = self._trace(book, flow.source, flow.target, flow.there)
        return there, self._trace(book, flow.target, flow.source, flow.back)

    def _trace(self, book: Mapping[str, str], source: str, target: str, flow: Flow | None) -> Trace:
        return trace(self._segment, self._leaving, book, source, target, gateways=self._gateways, flow=flow)

    def _choose(self, flows: Sequence[RunningFlow], ways: Mapping[RunningFlow, tuple[Trace, Trace]]) -> None:
        first: dict[tuple[str, str, bool], RunningFlow] = {}
        for flow in flows:
            first.setdefault((flow.source, flow.target, flow.ipv6), flow)
        for index, plain in enumerate(self._plain):
            chosen = []
            for one, now in zip(plain, self._streams[index], strict=True):
                flow_of = first.get((one.source, one.target, one.ipv6))
                seen = (flow_of, ways.get(flow_of) and [trace.steps for trace in ways[flow_of]]) if flow_of else None
                if flow_of is None or self._followed.get((index, one.ipv6)) == seen:
                    chosen.append(now)
                    continue
                self._followed[index, one.ipv6] = seen
                chosen.append(self._along(one, flow_of, ways.get(flow_of)))
            if chosen != list(self._streams[index]):
                self._streams[index] = tuple(chosen)
                self._prober.follow(index, chosen)

    def _tell(self, at_ns: int, streams: Sequence[Stream]) -> None:
        for one in streams:
            path = str(Path(source=one.source, target=one.target))
            self.choices.append({"at_ns": at_ns, "path": path} | one.describe())

    def _along(self, plain: Stream, flow: RunningFlow, ways: tuple[Trace, Trace] | None) -> Stream:
        near, far = (self._addresses[flow.ipv6][node] for node in (flow.source, flow.target))
        if ways is None:  # there is but one way
            return stream_along(
                plain, name=flow.name, flow=flow.there, there=lambda _: True, back=lambda _: True, kind=self._kind
            )
        there, back = ways
        made = stream_along(
            plain,
            name=flow.name,
            flow=flow.there,
            there=follower(self._segment, there, far, near),
            back=follower(self._segment, back, near, far),
            kind=self._kind,
        )
        return replace(made, leaves_by=_left_by(there), answers_by=_left_by(back)) if made.crafted else made

    def _record(
        self, at_ns: int, way: Trace, ends: Stream | RunningFlow, *, name: str = "", back: bool = False
    ) -> bool:
        """Whether it is new, and so was recorded."""
        source, target = (ends.target, ends.source) if back else (ends.source, ends.target)
        hops = [f"{one.link}|{one.source}|{one.target}" for one in way.directions]
        if way.fault:
            hops.append(f"{FAULT_MARK}{way.fault}")
        if self._recorded.get((source, target, name)) == hops:
            return False
        self._recorded[source, target, name] = hops
        self._records.record_trace(at_ns, str(Path(source=source, target=target)), hops, name)
        return True


def _question(stream: Stream, leader: RunningFlow | None, way: Trace) -> Question:
    """What packets are to be asked: always crafted ones, for the probes' sockets have their own ports."""
    flow = Flow("tcp", PROBER_PORT, REFLECTOR_PORT) if leader is None else leader.there
    return Question(source=stream.source, target=stream.target, ipv6=stream.ipv6, flow=flow, leaves_by=_left_by(way))


def _left_by(way: Trace) -> str:
    """The interface that packets leave their source by; empty if they do not."""
    hop = way.steps[0].hop if way.steps else None
    return "" if hop is None or hop.local else hop.interface
