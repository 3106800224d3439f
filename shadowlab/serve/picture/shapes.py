"""The documents that the API answers with.  Their JSON Schemas are those of the OpenAPI document.

In: plain values.  Out: frozen documents, whose JSON has ``null`` for what nobody knows.

Moments and durations are seconds: of a run since its start, of a watch since 1970.  Shares and utilisations are
fractions of one.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Number = float | None
Interval = tuple[Number, Number]


class Document(BaseModel):
    """Frozen; NaN and infinity become ``null``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="null", json_schema_serialization_defaults_required=True
    )


class Source(Document):
    """A run or a watch.  ``revision`` changes when anything of it did."""

    id: str
    kind: Literal["run", "watch"]
    name: str
    title: str
    clock: Literal["run", "unix"]
    state: Literal["finished", "going on", "unfinished", "watching", "stopped", "unreadable"]
    headline: str
    verdict: str
    holds: bool | None
    severity: Literal["good", "info", "warning", "critical", "unknown"]
    open_incidents: int
    updated_s: float
    revision: str
    can_ask: bool
    why_not_ask: str


class FidelityShown(Document):
    """How true the shadow is: 1 is as good as repeating production."""

    score: Number
    standing: Literal["true", "doubtful", "not to be trusted", "unknown"]
    values: int
    worst: str
    worst_score: Number


class LevelSummary(Document):
    """``kpi`` and ``unit`` are empty where the source does not tell them."""

    level: str
    kpi: str = ""
    unit: str = ""
    limit: Number
    broken_paths: int
    paths: int


class Now(Document):
    """What a watch is doing."""

    cycle: int
    stage: str
    since_s: float


class Stage(Document):
    name: str
    wall_s: Number
    note: str


class TelemetrySpan(Document):
    """``from_s`` and ``to_s`` are null where the source does not say."""

    from_s: Number
    to_s: Number
    records: int
    connections: int


class Change(Document):
    instance: str
    kind: str
    detail: str


class Counts(Document):
    nodes: int
    links: int
    paths: int
    flows: int | None


class Overview(Source):
    """A source, and all that is said of it as a whole."""

    conclusions: list[str] = []
    why: str = ""
    fidelity: FidelityShown | None = None
    from_s: Number = None
    to_s: Number = None
    event_s: Number = None
    baseline_s: Interval | None = None
    valid: bool | None = None
    validity: str = ""
    kernel: str = ""
    clock_kind: str = ""
    seed: int | None = None
    levels: list[LevelSummary] = []
    now: Now | None = None
    stages: list[Stage] = []
    telemetry: TelemetrySpan | None = None
    changes: list[Change] = []
    findings: list[str] = []
    counts: Counts | None = None
    scale_factor: float = 1.0


class NodeShown(Document):
    """``x`` grows to the right and ``y`` downwards, in one scale.  ``fixed``: placed by coordinates of the map."""

    id: str
    label: str
    kind: Literal["host", "router", "segment"]
    x: float
    y: float
    fixed: bool
    affected: bool
    suspect: bool


class DirectionShown(Document):
    """``latency_ms`` is that of the line and the queue before it.  ``fidelity`` as in :class:`FidelityShown`."""

    id: str
    source: str
    target: str
    rate_bps: int | None
    utilisation: Number
    utilisation_before: Number
    utilisation_forecast: Number
    loss: Number
    loss_before: Number
    latency_ms: Number
    line_ms: Number
    queueing_ms: Number
    fidelity: Number
    standing: Literal["suspect", "alternative", "full", "unseen", "sound"]
    affected_paths: int


class LinkShown(Document):
    """The first direction leads from ``a`` to ``b``."""

    id: str
    a: str
    b: str
    up: bool
    suspect: bool
    groups: list[str]
    directions: list[DirectionShown]


class Group(Document):
    name: str
    members: list[str]


class Map(Document):
    name: str
    revision: str
    nodes: list[NodeShown]
    links: list[LinkShown]
    groups: list[Group]


class LevelOnPath(Document):
    level: str
    kpi: str = ""
    limit: Number
    median: Number
    worst: Number
    broken_share: Number
    holds: bool


class PathRow(Document):
    """Indicators by name.  Of a run ``before`` is the shadow in the baseline and ``shadow`` the shadow after the last
    event; of a watch ``before`` is production's baseline."""

    id: str
    source: str
    target: str
    state: Literal["good", "off", "broken", "unknown"]
    affected: bool
    flows: int | None
    route: list[str]
    fault: str
    production: dict[str, Number]
    shadow: dict[str, Number]
    before: dict[str, Number]
    broken_levels: list[str]
    levels: list[LevelOnPath]
    fidelity: Number


class Indicator(Document):
    """``bad``: the way that harms a service; null for neither."""

    kpi: str
    kind: str
    unit: str
    bad: Literal["up", "down"] | None
    meaning: str


class Recording(Document):
    times_s: list[float]
    values: list[Number]


class Band(Document):
    """What is usual: mean and standard deviation of the baseline window.  Null ends: nobody wrote them down."""

    mean: float
    deviation: float
    from_s: Number
    to_s: Number


class Promise(Document):
    level: str
    limit: Number


class OneSeries(Document):
    """``shadow`` stands at the moments of the whole answer.  ``levels``: what is promised of it."""

    kpi: str
    unit: str
    bad: Literal["up", "down"] | None
    meaning: str
    shadow: list[Number]
    production: Recording | None
    baseline: Band | None
    levels: list[Promise] = []


class Entry(Document):
    """A line of a timeline.  ``incident`` and ``cycle`` where there are any."""

    at_s: float
    kind: str
    text: str
    incident: str | None = None
    cycle: int | None = None


class Series(Document):
    """Values are means over ``step_s``, labelled with its end."""

    kind: str
    subject: str
    clock: Literal["run", "unix"]
    step_s: Number
    times_s: list[float]
    series: list[OneSeries]
    marks: list[Entry]


class IncidentHead(Document):
    id: str
    kind: Literal["network", "level", "forecast", "measurement", "shadow", "telemetry"]
    severity: Literal["info", "warning", "critical"]
    title: str
    opened_s: float
    updated_s: float
    resolved_s: Number
    open: bool
    subjects: list[str]
    affected_paths: int
    proposal: str
    confidence: Number


class SuspectShown(Document):
    name: str
    directions: list[str]
    posterior: Number
    fault: str
    loss: Number
    loss_interval: Interval
    delay_ms: Number
    delay_interval_ms: Interval
    paths_affected: int
    paths_crossing: int
    split_by: str


class TrialShown(Document):
    name: str
    kind: str
    words: str
    explained: Number
    log10_bayes: Number
    directions: list[str]


class Domain(Document):
    """The isolated segment."""

    kind: str
    links: list[str]
    directions: list[str]
    onset_s: float
    confidence: Number
    suspects: list[SuspectShown]
    runners_up: list[SuspectShown]
    groups: list[str]
    overloaded: list[str]
    unseen: list[str]
    flows: int
    services: list[str]
    evidence: list[str]
    trials: list[TrialShown]
    undecided: list[str]
    advice: list[str]
    note: str


class Cure(Document):
    """A rehearsed cure.  ``before_share`` and ``worst_before`` are those of doing nothing.  Of ``actions``, ``steps``
    and ``roll_back`` the first :data:`MOST_LINES` are told."""

    name: str
    kind: str
    summary: str
    rank: int
    nothing: bool
    recovered: Number
    broken_share: Number
    transient_share: Number
    before_share: Number
    harm: int
    harm_probability: Number
    best_probability: Number
    effort: int
    worst: dict[str, Number]
    worst_before: dict[str, Number]
    actions: list[str]
    steps: list[str]
    roll_back: list[str]
    rolled_back_share: Number
    warnings: list[str]
    note: str
    short: bool


class Incident(IncidentHead):
    paths: list[str]
    timeline: list[Entry]
    domain: Domain | None
    cures: list[Cure]
    conclusions: list[str]


class Growth(Document):
    """10, 50 and 90 % quantiles of demand at the horizon, over today's."""

    low: Number
    median: Number
    high: Number


class Demand(Document):
    at_s: float
    mbps: float


class DemandAhead(Document):
    at_s: float
    low: Number
    median: Number
    high: Number


class LinkAhead(Document):
    direction: str
    now: Number
    then: Number


class Forecast(Document):
    at_s: float
    horizon_s: float
    model: str
    headline: str
    growth: Growth
    demand: list[Demand]
    ahead: list[DemandAhead]
    violations: list[str]
    links: list[LinkAhead]


class CycleHead(Document):
    number: int
    began_s: float
    ended_s: float
    status: str
    headline: str
    verdict: str
    demand_mbps: Number
    open_incidents: int


class Sources(Document):
    sources: list[Source]


class Paths(Document):
    paths: list[PathRow]


class Indicators(Document):
    indicators: list[Indicator]


class Incidents(Document):
    incidents: list[IncidentHead]


class ForecastAnswer(Document):
    """``why`` says why there is none."""

    forecast: Forecast | None
    why: str


class Timeline(Document):
    entries: list[Entry]


class Cycles(Document):
    cycles: list[CycleHead]


MOST_LINES = 200
