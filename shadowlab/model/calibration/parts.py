"""The parts of a calibration: values with their intervals and standings, findings, demands.

In: plain values.  Out: frozen values.  Never: a value without its interval and its standing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Direction
from shadowlab.model.traffic.workload import Workload

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
