"""The result of a run: what ``result.json`` holds and the report shows.

In: the verdicts of the judging rooms.  Out: one frozen value with a stable plain form.
Never: a wall-clock time, a host name, a path of this machine: the same inputs and seed give the same bytes
(those things stand in the manifest).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.level import LevelOutcome
from shadowlab.model.network import Network
from shadowlab.model.traffic.parameters import FlowParameters
from shadowlab.model.traffic.summary import InstanceSummary, WorkloadSummary
from shadowlab.model.verdict import Anomaly, Correlation, CureOutcome, FaultDomain

FORMAT = "result/1"


@dataclass(frozen=True, kw_only=True)
class TimelineEntry:
    """Something that happened in the run, for people: an event, the detection, a verdict."""

    at_ns: int
    kind: Literal["event", "planned", "onset", "detected", "localised"]
    text: str


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The scale-down law: capacities, demands and buffers divided by ``factor``, RTT kept.  1 = not scaled."""

    factor: float
    map_rate_scale: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class TelemetryUse:
    """What became of the telemetry."""

    records: int
    unreadable: int
    connections: int
    left_out: Mapping[str, int]
    """Reason to the number of records left out for it."""


NO_TELEMETRY = TelemetryUse(records=0, unreadable=0, connections=0, left_out={})


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What every result carries: what it stands on and whether it may be believed."""

    seed: int
    kernel: str
    kernel_kind: Literal["embedded", "host"]
    clock: Literal["virtual", "real"]
    shadowlab: str
    congestion_controls: tuple[str, ...]
    probes_sent: int
    probes_lost: int
    tcp_samples: int
    queue_samples: int
    windows: int
    """Of a second each, that indicators were derived for."""
    void_windows_ns: tuple[tuple[int, int], ...]
    """From and to of those that were measured late, neighbours in one: nothing there was observed."""
    valid: bool
    validity: str
    """Why the run may or may not be believed; on the real clock with lateness and CPU."""
    flow_sample_ns: int = 1_000_000_000
    """How often every flow was sampled: of very many flows a part at a time, in turn."""


@dataclass(frozen=True, kw_only=True)
class PathTrace:
    """The route a path takes in the kernel's own tables, from ``since_ns`` on.  ``fault`` is empty or says why it ends
    early (black hole, loop).  Where flows are spread over several routes it is that of the path's probes, or of the
    ``flow`` named."""

    path: str
    since_ns: int
    nodes: tuple[str, ...]
    fault: str = ""
    flow: str = ""


@dataclass(frozen=True, kw_only=True)
class LinkSummary:
    """One direction of a link, in the baseline and after the last event: mean utilisation, mean shares dropped and
    marked (ECN).  ``line_loss_after`` is what its delay line dropped, None where no counter tells that apart;
    ``drops_in`` is where it may drop packets at all."""

    direction: str
    link: str
    rate_bps: int | None
    utilisation_before: float
    utilisation_after: float
    loss_before: float
    loss_after: float
    marks_before: float = 0.0
    marks_after: float = 0.0
    line_loss_after: float | None = None
    drops_in: Literal["queue", "line", "queue or line", "nothing"] = "queue"


@dataclass(frozen=True, kw_only=True)
class PathSummary:
    """One path, in the baseline and after the last event: medians of its indicators, means of shares."""

    path: str
    flows: int
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class NodeTcp:
    """What the TCP of a node counted in a second, by the columns of the record type ``tcp-counters``: in the baseline
    and after the last event."""

    node: str
    before: Mapping[str, float]
    after: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ProgramOutcome:
    """How a program of the run ended.  ``stopped``: by the timeline or the run's end.  ``exit_code`` as shells have it,
    None if it never began.  ``output`` is a file in the run's folder; ``dropped_bytes`` of output were too much."""

    name: str
    node: str
    argv: tuple[str, ...]
    exit_code: int | None
    stopped: bool
    began_ns: int | None
    ended_ns: int | None
    output: str
    output_bytes: int
    dropped_bytes: int


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome:
    """What was sent of a capture.  ``left_out`` counts packets of the file by reason; ``refused`` those that the node
    could not send (too large for the way, no way)."""

    name: str
    node: str
    sent_packets: int
    sent_bytes: int
    refused_packets: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """All a run found out."""

    scenario: str
    title: str
    duration_ns: int
    baseline_ns: tuple[int, int]
    event_ns: int
    """When the first event happens; the duration if none does."""
    network: Network
    paths: tuple[Path, ...]
    flows: tuple[FlowSpec, ...]
    telemetry: TelemetryUse
    scaling: Scaling
    provenance: Provenance
    timeline: tuple[TimelineEntry, ...]
    levels_before: tuple[LevelOutcome, ...]
    levels_after: tuple[LevelOutcome, ...]
    path_summaries: tuple[PathSummary, ...]
    link_summaries: tuple[LinkSummary, ...]
    traces: tuple[PathTrace, ...]
    anomalies: tuple[Anomaly, ...]
    fault_domain: FaultDomain | None
    cures: tuple[CureOutcome, ...]
    """Best first; empty when nothing was broken."""
    correlation: Correlation
    tcp: tuple[FlowParameters, ...] = ()
    """Flow by flow what TCP made of it: recorded, and in the shadow's baseline window."""
    node_tcp: tuple[NodeTcp, ...] = ()
    """Of the nodes at which traffic begins or ends."""
    expectations: Mapping[str, bool] = field(default_factory=dict)
    workloads: tuple[WorkloadSummary, ...] = ()
    instances: tuple[InstanceSummary, ...] = ()
    programs: tuple[ProgramOutcome, ...] = ()
    replays: tuple[ReplayOutcome, ...] = ()
    full_links: tuple[Anomaly, ...] = ()
    """Directions that filled up and were not full in the baseline; ``path`` names the direction."""
    headline: str = ""
    conclusions: tuple[str, ...] = ()
    """What happens, where, since when, what to do, what it gains: one sentence each."""
    holds: bool = True
    """Service levels hold, or the expectations of the scenario are met: exit 0."""
