"""What telemetry says of a map: a value for each property of each direction, and what each value stands on.

In: plain values.  Out: a frozen calibration that fills a map, and can be kept as JSON and taken up again.
Never: a value without its interval and its standing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Network
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.model.queue import Codel
from shadowlab.model.traffic.workload import Workload

FORMAT = "calibration/1"

Standing = Literal["measured", "bounded", "prior", "unidentifiable"]
"""Whether telemetry tells the value; tells only that it lies at or beyond one end of the interval; says nothing, so
that it is what the map (or plain ignorance) says; or tells a sum of several values, this one among them."""

FindingKind = Literal[
    "impossible path",
    "below propagation",
    "contradicts the map",
    "clock jump",
    "unit factor",
    "silent instances",
    "rate changes",
    "drift",
    "not converged",
]
"""What is wrong with the telemetry, or with the map as telemetry sees it."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """One property.  ``low`` to ``high`` holds the truth in about 95 of 100 cases (None: no bound on that side).

    ``flows`` and ``samples`` are the connections and the records that it stands on, ``seen_ns`` the time of the last of
    them (Unix time; 0: none).  ``value`` None: nothing is known, and the map's word is kept.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    standing: Standing = "prior"
    flows: int = 0
    samples: int = 0
    seen_ns: int = 0
    why: str = ""


UNKNOWN = Value()


@dataclass(frozen=True, kw_only=True)
class LinkCalibration:
    """One direction.  Times in nanoseconds, rates in bits per second as a map states them (framing included), buffers
    in packets, loss and reordering as shares of packets.

    ``background_bps`` is what crosses it without a record; ``congested`` the share of the observed time in which
    packets waited; ``discipline`` is ``"fifo"``, ``"aqm"``, or empty where it does not show.
    """

    direction: Direction
    delay_ns: Value = UNKNOWN
    rate_bps: Value = UNKNOWN
    queue_packets: Value = UNKNOWN
    loss: Value = UNKNOWN
    jitter_ns: Value = UNKNOWN
    reorder: Value = UNKNOWN
    background_bps: Value = UNKNOWN
    congested: float = 0.0
    discipline: Literal["", "fifo", "aqm"] = ""
    ecn: bool = False
    """Whether its queue marks packets instead of dropping them."""


PROPERTIES = ("delay_ns", "rate_bps", "queue_packets", "loss", "jitter_ns", "reorder", "background_bps")
"""The properties of :class:`LinkCalibration` that are a :class:`Value`."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Directions that the telemetry cannot tell apart: only their total is known.  ``probe`` would split them."""

    directions: tuple[Direction, ...]
    delay_ns: Value
    loss: Value
    probe: str


@dataclass(frozen=True, kw_only=True)
class InstanceCalibration:
    """One instance, where figures of its host are known: how long it serves a request, how many at once."""

    node: str
    service_time_ns: Value = UNKNOWN
    concurrency: Value = UNKNOWN


@dataclass(frozen=True, kw_only=True)
class MatrixEntry:
    """What goes from one instance to another, payload in bits per second: seen, or estimated from totals."""

    source: str
    target: str
    rate_bps: float
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class CalibratedDemands:
    """What is to be driven.  ``unknown`` names each connection without a flow, and why; ``recorded`` holds, by flow,
    what TCP made of it in production."""

    flows: tuple[FlowSpec, ...] = ()
    workloads: tuple[Workload, ...] = ()
    unknown: tuple[str, ...] = ()
    recorded: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    matrix: tuple[MatrixEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that does not fit.  ``effect`` says what was done about it, ``records`` how many it concerns."""

    kind: FindingKind
    subject: str
    message: str
    effect: str
    records: int = 0


@dataclass(frozen=True, kw_only=True)
class RefinementStep:
    """One run of the shadow: what was tried, and how far it was from production (1 = production's own noise)."""

    number: int
    tried: str
    misfit: float
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """All of it.  ``map`` is the network as it was given; ``at_ns`` the last moment of the telemetry (Unix time)."""

    map: Network
    at_ns: int
    links: tuple[LinkCalibration, ...]
    segments: tuple[Segment, ...] = ()
    instances: tuple[InstanceCalibration, ...] = ()
    demands: CalibratedDemands = CalibratedDemands()
    findings: tuple[Finding, ...] = ()
    refinement: tuple[RefinementStep, ...] = ()

    @cached_property
    def by_direction(self) -> Mapping[Direction, LinkCalibration]:
        """The links by their direction."""
        return {one.direction: one for one in self.links}

    def network(self) -> Network:
        """The map with its links as telemetry saw them.  A bound changes what contradicts it, and nothing else; what
        telemetry does not tell stays as the map has it."""
        changed = []
        for link in self.map.links:
            for direction in link.directions:
                if direction in self.by_direction:
                    known = self.by_direction[direction]
                    link = link.with_impairment(direction, filled(link.impairment(direction), known))
            changed.append(link)
        return self.map.with_links(*changed)

    def to_json(self) -> str:
        """Everything but the map, the same text for the same calibration."""
        plain = {one: to_plain(getattr(self, one)) for one in _KEPT}
        document = {"shadowlab": FORMAT, "map": self.map.name, **plain}
        return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=1) + "\n"

    @staticmethod
    def from_json(text: str, network: Network) -> Calibration:
        """What :meth:`to_json` wrote, about ``network``; links that it no longer has are left out.

        Raises ValueError for what is no calibration, or one of another map.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ValueError(f"no JSON: {error}") from None
        if not isinstance(document, dict) or document.get("shadowlab") != FORMAT:
            raise ValueError(f"no {FORMAT} document")
        if document.get("map") != network.name:
            raise ValueError(f"it is about the map {document.get('map')!r}, not {network.name!r}")
        try:
            known: dict[str, Any] = {name: from_plain(kind, document[name]) for name, kind in _KEPT.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"a part of it is missing or malformed: {error}") from None
        present = set(network.directions)
        known["links"] = tuple(one for one in known["links"] if one.direction in present)
        known["segments"] = tuple(one for one in known["segments"] if present.issuperset(one.directions))
        return Calibration(map=network, **known)


_KEPT: Mapping[str, Any] = {
    "at_ns": int,
    "links": tuple[LinkCalibration, ...],
    "segments": tuple[Segment, ...],
    "instances": tuple[InstanceCalibration, ...],
    "demands": CalibratedDemands,
    "findings": tuple[Finding, ...],
    "refinement": tuple[RefinementStep, ...],
}


def filled(stated: Impairment, known: LinkCalibration) -> Impairment:
    """``stated`` with what is known in its place."""
    result = stated
    if known.delay_ns.value is not None:
        result = replace(result, delay_ns=max(0, round(known.delay_ns.value)))
    rate = known.rate_bps
    if rate.value is not None and (
        rate.standing == "measured" or (stated.rate_bps is not None and stated.rate_bps < rate.value)
    ):
        result = replace(result, rate_bps=max(1, round(rate.value)))
    if known.queue_packets.value is not None and known.queue_packets.standing == "measured":
        result = result.with_queue_packets(max(1, round(known.queue_packets.value)))
    if known.discipline == "aqm" and result.queue is None and result.rate_bps is not None:
        limit = max(result.queue_packets, _LEAST_AQM_PACKETS)
        result = replace(result, queue=Codel(limit_packets=limit, ecn=known.ecn))
    if known.loss.value is not None and known.loss.standing == "measured":
        result = result.with_loss(min(1.0, known.loss.value))
    if known.jitter_ns.value is not None and known.jitter_ns.standing == "measured":
        result = replace(result, jitter_ns=round(known.jitter_ns.value))
    if result.jitter_ns:
        most = round(result.delay_ns / max(1e-9, -result.jitter_table().least))
        result = replace(result, jitter_ns=min(result.jitter_ns, most))
    return result.check()


_LEAST_AQM_PACKETS = 300
"""An AQM's hard limit should not be what drops."""
