"""A scenario file: which map and telemetry, what happens when, what was promised, what may be tried.

In: YAML text.  Out: a frozen :class:`Scenario` with absolute paths and plain numbers, or one InputError with every
fault and its place.  Never: a file other than the scenario itself is read here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shadowlab.errors import Fault, InputError
from shadowlab.model.level import ServiceLevel
from shadowlab.model.units import NS_PER_MS, NS_PER_S, format_duration, parse_duration, parse_fraction, parse_rate
from shadowlab.topology.formats import read_input
from shadowlab.topology.positioned import Positioned, in_file_order, load_positioned, validate

_T = TypeVar("_T")

FORMAT = "scenario/1"
MAX_DURATION_NS = 24 * 3600 * NS_PER_S


def _text(parse: Callable[[str], _T]) -> Callable[[object], _T]:
    def before(value: object) -> _T:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("write a number with its unit, like '3 ms' or '10 Mbit'")
        return parse(str(value))

    return before


Duration = Annotated[int, BeforeValidator(_text(parse_duration))]
Rate = Annotated[int, BeforeValidator(_text(parse_rate))]
Fraction = Annotated[float, BeforeValidator(_text(parse_fraction))]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawLevel(_Raw):
    name: str
    kpi: str
    limit: float
    paths: list[str] = []
    tolerated: Fraction = 0.0
    window: Duration = 5 * NS_PER_S


class RawEvent(_Raw):
    at: Duration
    reason: str = ""
    degrade: str | None = None
    fail: str | None = None
    restore: str | None = None
    demand: float | None = None
    flows: list[str] = []
    towards: str | None = None
    """The node the degraded direction leads to; both directions if left out."""
    delay: Duration | None = None
    jitter: Duration | None = None
    loss: Fraction | None = None
    rate: Rate | None = None
    queue: int | None = None


class RawScript(_Raw):
    name: str
    file: str
    timeout: Duration = 10 * NS_PER_S


class RawUpgrade(_Raw):
    factor: float = Field(gt=1.0, le=1000.0)


class RawMitigation(_Raw):
    reroute: bool | None = None
    upgrade: RawUpgrade | None = None
    script: RawScript | None = None


class RawWindow(_Raw):
    from_: Duration = Field(alias="from")
    to: Duration


class RawExpectation(_Raw):
    fault: str | None = None
    best: str | None = None
    onset: Duration | None = None


class RawScenario(_Raw):
    shadowlab: Literal["scenario/1"]
    name: str
    title: str = ""
    map: str
    telemetry: str
    production_after: str | None = None
    duration: Duration
    seed: int = Field(default=1, ge=0, lt=2**63)
    sample_every: Duration = NS_PER_S
    probe_every: Duration = 200 * NS_PER_MS
    baseline: RawWindow
    service_levels: list[RawLevel] = []
    events: list[RawEvent] = []
    detectors: list[str] = ["zscore"]
    mitigations: list[RawMitigation] = []
    expect: RawExpectation | None = None
    wall_budget: Duration = 120 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happens to the network or its demand at ``at_ns`` of the run."""

    at_ns: int
    kind: Literal["degrade", "fail", "restore", "demand"]
    link: str = ""
    towards: str = ""
    reason: str = ""
    factor: float = 1.0
    flows: tuple[str, ...] = ()
    delay_ns: int | None = None
    jitter_ns: int | None = None
    loss: float | None = None
    rate_bps: int | None = None
    queue_packets: int | None = None


@dataclass(frozen=True, kw_only=True)
class Mitigation:
    """A candidate cure the scenario allows."""

    kind: Literal["reroute", "upgrade", "script"]
    name: str
    factor: float = 1.0
    script: Path | None = None
    timeout_ns: int = 0


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the author of the scenario expects; unset parts are not checked."""

    fault: str | None
    best: str | None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything a run needs to know, with absolute paths."""

    path: Path
    name: str
    title: str
    map: Path
    telemetry: Path
    production_after: Path | None
    duration_ns: int
    seed: int
    sample_every_ns: int
    probe_every_ns: int
    baseline_ns: tuple[int, int]
    levels: tuple[ServiceLevel, ...]
    events: tuple[Event, ...]
    detectors: tuple[str, ...]
    mitigations: tuple[Mitigation, ...]
    expect: Expectation | None
    wall_budget_ns: int


def load_scenario(path: Path, *, known_detectors: frozenset[str]) -> Scenario:
    """Read and check a scenario file.  Raises InputError with every fault found."""
    document = load_positioned(read_input(path, what="scenario"), name=str(path))
    raw = validate(RawScenario, document)
    return _Resolver(path=path, document=document, known_detectors=known_detectors).resolve(raw)


class _Resolver:
    """Turns the raw form into the resolved one and gathers every fault on the way."""

    def __init__(self, *, path: Path, document: Positioned, known_detectors: frozenset[str]) -> None:
        self._path = path
        self._document = document
        self._known_detectors = known_detectors
        self._faults: list[Fault] = []

    def _fault(self, where: tuple[str | int, ...], message: str) -> None:
        self._faults.append(Fault(place=self._document.place(where), message=message))

    def _file(self, where: tuple[str | int, ...], text: str) -> Path:
        path = (self._path.parent / text).resolve()
        if not path.is_file():
            self._fault(where, f"{text} is not a file (looked for {path})")
        return path

    def resolve(self, raw: RawScenario) -> Scenario:
        if not NS_PER_S <= raw.duration <= MAX_DURATION_NS:
            self._fault(("duration",), f"must lie between 1 s and 24 h, got {format_duration(raw.duration)}")
        if not 10 * NS_PER_MS <= raw.probe_every <= 60 * NS_PER_S:
            self._fault(("probe_every",), f"must lie between 10 ms and 60 s, got {format_duration(raw.probe_every)}")
        if not 100 * NS_PER_MS <= raw.sample_every <= 60 * NS_PER_S:
            self._fault(("sample_every",), f"must lie between 100 ms and 60 s, got {format_duration(raw.sample_every)}")
        if not 0 <= raw.baseline.from_ < raw.baseline.to <= raw.duration:
            self._fault(("baseline",), "must satisfy 0 <= from < to <= duration")
        for index, name in enumerate(raw.detectors):
            if name not in self._known_detectors:
                self._fault(
                    ("detectors", index),
                    f"unknown detector {name!r}; known: {', '.join(sorted(self._known_detectors))}",
                )
        scenario = Scenario(
            path=self._path,
            name=raw.name,
            title=raw.title or raw.name,
            map=self._file(("map",), raw.map),
            telemetry=self._file(("telemetry",), raw.telemetry),
            production_after=self._file(("production_after",), raw.production_after) if raw.production_after else None,
            duration_ns=raw.duration,
            seed=raw.seed,
            sample_every_ns=raw.sample_every,
            probe_every_ns=raw.probe_every,
            baseline_ns=(raw.baseline.from_, raw.baseline.to),
            levels=tuple(self._levels(raw)),
            events=tuple(sorted(self._events(raw), key=lambda event: event.at_ns)),
            detectors=tuple(raw.detectors),
            mitigations=tuple(self._mitigations(raw)),
            expect=Expectation(fault=raw.expect.fault, best=raw.expect.best) if raw.expect else None,
            wall_budget_ns=raw.wall_budget,
        )
        if self._faults:
            raise InputError(*in_file_order(self._faults))
        return scenario

    def _levels(self, raw: RawScenario) -> list[ServiceLevel]:
        levels = []
        for index, one in enumerate(raw.service_levels):
            try:
                levels.append(
                    ServiceLevel(
                        name=one.name,
                        kpi=one.kpi,
                        limit=one.limit,
                        paths=tuple(path.replace("->", "→") for path in one.paths),
                        tolerated=one.tolerated,
                        window_ns=one.window,
                    )
                )
            except ValueError as error:
                self._fault(("service_levels", index), str(error))
        return levels

    def _events(self, raw: RawScenario) -> list[Event]:
        events = []
        for index, one in enumerate(raw.events):
            where: tuple[str | int, ...] = ("events", index)
            kinds = [kind for kind in ("degrade", "fail", "restore", "demand") if getattr(one, kind) is not None]
            if len(kinds) != 1:
                self._fault(where, "an event is exactly one of degrade, fail, restore, demand")
                continue
            kind: Any = kinds[0]
            if one.at >= raw.duration or one.at < 0:
                self._fault((*where, "at"), f"lies outside the run of {format_duration(raw.duration)}")
            values = (one.delay, one.jitter, one.loss, one.rate, one.queue)
            if kind == "degrade" and all(value is None for value in values):
                self._fault(where, "degrade needs at least one of delay, jitter, loss, rate, queue")
            if kind != "degrade" and any(value is not None for value in values):
                self._fault(where, f"delay, jitter, loss, rate and queue go with degrade, not with {kind}")
            if kind == "demand" and one.demand is not None and not 0 <= one.demand <= 1000:
                self._fault((*where, "demand"), f"must lie between 0 and 1000, got {one.demand:g}")
            events.append(
                Event(
                    at_ns=one.at,
                    kind=kind,
                    link=one.degrade or one.fail or one.restore or "",
                    towards=one.towards or "",
                    reason=one.reason,
                    factor=one.demand if one.demand is not None else 1.0,
                    flows=tuple(one.flows),
                    delay_ns=one.delay,
                    jitter_ns=one.jitter,
                    loss=one.loss,
                    rate_bps=one.rate,
                    queue_packets=one.queue,
                )
            )
        return events

    def _mitigations(self, raw: RawScenario) -> list[Mitigation]:
        found = []
        for index, one in enumerate(raw.mitigations):
            where: tuple[str | int, ...] = ("mitigations", index)
            if sum(part is not None for part in (one.reroute, one.upgrade, one.script)) != 1:
                self._fault(
                    where, "a mitigation is exactly one of reroute, upgrade, script (doing nothing is always tried)"
                )
            elif one.script is not None:
                found.append(
                    Mitigation(
                        kind="script",
                        name=one.script.name,
                        timeout_ns=one.script.timeout,
                        script=self._file((*where, "script", "file"), one.script.file),
                    )
                )
            elif one.upgrade is not None:
                found.append(
                    Mitigation(kind="upgrade", name=f"upgrade x{one.upgrade.factor:g}", factor=one.upgrade.factor)
                )
            elif one.reroute:
                found.append(Mitigation(kind="reroute", name="reroute"))
        return found
