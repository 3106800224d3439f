"""One cycle of the watch: what was read, run, found, and how long each stage took.

In: plain values.  Out: frozen values.  Never: more than a page can show: samples stay where they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.verdict import Fidelity, Hypothesis

FORMAT = "watch-cycle/1"

CycleStatus = Literal["complete", "learning", "no news", "nothing to drive", "failed"]
"""Everything was done; the first window was taken as the baseline, with nothing to hold it against; no new telemetry;
none of it can be driven; a stage failed (``why`` says which)."""

ChangeKind = Literal["appeared", "left", "moved"]
PathState = Literal["good", "off", "broken", "unknown"]


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """``wall_s`` of a stage; ``note`` says in words what it had to do, or why it was left out."""

    name: str
    wall_s: float
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class InstanceChange:
    """An instance of the map or the telemetry that came, went, or hangs elsewhere.  No fault."""

    instance: str
    kind: ChangeKind
    detail: str


@dataclass(frozen=True, kw_only=True)
class WatchedPath:
    """A path: ``production`` as recorded in the window, ``shadow`` under the same demand in a sound network, ``before``
    production in the baseline.  Indicators: ``srtt_ms``, ``retransmission_share``, ``throughput_mbps``.

    ``off``: production and shadow do not agree; ``broken``: a service level is broken in the shadow too.  ``affected``:
    it belongs to an open incident."""

    path: str
    state: PathState
    production: Mapping[str, float]
    shadow: Mapping[str, float]
    before: Mapping[str, float]
    broken_levels: tuple[str, ...] = ()
    affected: bool = False


@dataclass(frozen=True, kw_only=True)
class WatchedLink:
    """One direction in the shadow under today's demand.  ``suspect``: an open incident's fault domain holds it.
    ``forecast_utilisation`` is that under the forecast's median at the horizon, None where none was made."""

    direction: str
    link: str
    source: str
    target: str
    rate_bps: int | None
    utilisation: float
    loss: float
    delay_ns: int
    fidelity: float | None = None
    forecast_utilisation: float | None = None
    suspect: bool = False


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """The network under the demand to come.  ``growth`` by quantile (0.1, 0.5, 0.9) at the horizon."""

    horizon_s: float
    headline: str
    growth: Mapping[str, float] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Aggregation:
    """What was summed up to keep a cycle within its budget.  ``flows_before`` were merged into ``flows_after``, by pair
    of instances and service; ``in_detail`` names the paths that were left as they are, because they are suspected.
    Rates, demands and buffers were divided by ``factor``."""

    flows_before: int
    flows_after: int
    factor: float
    in_detail: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """All that a cycle found.  Moments are Unix time.  ``skipped`` beginnings went by while the one before lasted."""

    number: int
    began_ns: int
    ended_ns: int
    status: CycleStatus
    headline: str
    verdict: str = ""
    """That of the comparison: ``confirmed``, ``demand moved``, ``network broke``, ``shadow drifted``,
    ``measurement fault``, ``unsure``, ``not compared``; empty if none was made."""
    why: str = ""
    trigger: str = "time"
    """``time``, or the anomaly that made it begin early."""
    telemetry_from_ns: int = 0
    telemetry_to_ns: int = 0
    records: int = 0
    connections: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    demand_mbps: float = 0.0
    stages: tuple[StageTime, ...] = ()
    changes: tuple[InstanceChange, ...] = ()
    paths: tuple[WatchedPath, ...] = ()
    links: tuple[WatchedLink, ...] = ()
    fidelity: Fidelity | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    findings: tuple[str, ...] = ()
    """What calibration says of telemetry and map, and what is missing for more."""
    ahead: Ahead | None = None
    aggregation: Aggregation | None = None
    open_incidents: tuple[str, ...] = ()
    skipped: int = 0
