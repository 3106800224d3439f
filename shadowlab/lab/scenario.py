"""A scenario file: which map and telemetry, what happens when, what was promised, what may be tried.

In: YAML text.  Out: a frozen :class:`Scenario` of plain numbers, or one InputError with every fault and its place.
Never: a file other than the scenario itself is read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shadowlab.errors import Fault, InputError
from shadowlab.lab.cures.read import Cures, read_cures, read_objective
from shadowlab.lab.events.event import Event
from shadowlab.lab.events.read import read_event
from shadowlab.lab.scenario_form import RawScenario
from shadowlab.lab.workloads.read import read_compute, read_traffic
from shadowlab.mitigate.candidate import NOTHING
from shadowlab.mitigate.objective import DEFAULT, Term
from shadowlab.model.level import ServiceLevel, parse_limit
from shadowlab.model.traffic.workload import Compute, Workload
from shadowlab.model.units import NS_PER_MS, NS_PER_S, format_duration
from shadowlab.monitor.observe import SAMPLE_EVERY_NS
from shadowlab.monitor.probe_stream import PAYLOAD_BYTES, ProbeKind
from shadowlab.topology.formats import MapOptions, format_keys, read_input
from shadowlab.topology.positioned import Positioned, in_file_order, load_positioned, validate
from shadowlab.topology.wording import subject

MAX_DURATION_NS = 24 * 3600 * NS_PER_S
LEAST_SAMPLES = 10
"""A baseline of fewer samples is not judged; there is one a second, or as many as are probed and sampled."""
LEAST_WALL_BUDGET_NS = 2 * NS_PER_S
"""Booting and building alone take one."""


NO_FAULT = "none"
"""As ``expect.fault``: no link is to be blamed."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What the author of the scenario expects; unset parts are not checked.  ``best`` may be doing nothing.

    ``fault``: the links of the fault domain, none if no link is to be blamed.  ``broken``: the service levels, and no
    others, that do not hold after the event.
    """

    fault: tuple[str, ...] | None
    best: str | None
    broken: tuple[str, ...] | None = None
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class DemandUse:
    """That the demands of the map are traffic: their unit (empty: as the map states it), and a factor."""

    unit: str
    scale: float
    place: str = ""


Calibrated = Literal["links", "demand", "both"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything a run needs to know.  Files are named as seen from the working folder, in the words of the user."""

    path: Path
    name: str
    title: str
    map: Path
    telemetry: Path | None
    """None: only the traffic that the scenario states itself, or the demands of the map."""
    telemetry_rules: Path | None = None
    """How names and addresses of the telemetry become nodes."""
    calibrate: Calibrated | None = None
    """What the telemetry tells; None: the demand, and the links of a map without any values."""
    production_after: Path | None
    duration_ns: int
    seed: int
    sample_every_ns: int
    probe_every_ns: int
    baseline_ns: tuple[int, int]
    levels: tuple[ServiceLevel, ...]
    events: tuple[Event, ...]
    detectors: tuple[str, ...]
    cures: Cures = Cures()
    objective: tuple[Term, ...] = DEFAULT
    """By what cures are compared, most important first."""
    expect: Expectation | None
    wall_budget_ns: int
    ablate: Literal["auto", "off"] = "auto"
    """Whether the explanations of a fault are imposed in shadows of their own, and compared."""
    traffic: tuple[Workload, ...] = ()
    compute: Mapping[str, Compute] = field(default_factory=dict)
    """What each instance can serve, by node."""
    map_format: str | None = None
    map_options: MapOptions = MapOptions()
    demands: DemandUse | None = None
    probe_bytes: int = PAYLOAD_BYTES
    """Of UDP payload."""
    probe_dscp: int = 0
    probe_as: ProbeKind = "auto"
    level_places: tuple[str, ...] = ()
    """Where each of ``levels`` stands in the file."""
    samples_every_flow: bool = False
    """Whether every sample is of every flow, however many there are: the scenario states how often."""


def load_scenario(path: Path, *, known_detectors: frozenset[str]) -> Scenario:
    """Read and check a scenario file.  Raises InputError with every fault found."""
    document = load_positioned(read_input(path, what="scenario"), name=str(path))
    return resolve_form(validate(RawScenario, document), document, path=path, known_detectors=known_detectors)


def resolve_form(raw: RawScenario, document: Positioned, *, path: Path, known_detectors: frozenset[str]) -> Scenario:
    """The scenario of a form that stands in ``document``, or that was made of one with the same keys: a watch's.

    Raises InputError with every fault found."""
    return _Resolver(path=path, document=document, known_detectors=known_detectors).resolve(raw)


class _Resolver:
    """Turns the raw form into the resolved one and gathers every fault on the way."""

    def __init__(self, *, path: Path, document: Positioned, known_detectors: frozenset[str]) -> None:
        self._path = path
        self._document = document
        self._known_detectors = known_detectors
        self._faults: list[Fault] = []

    def _fault(self, where: tuple[str | int, ...], message: str) -> None:
        self._faults.append(Fault(place=self._document.place(where), message=f"{subject(where)}: {message}"))

    def _file(self, where: tuple[str | int, ...], text: str, *, or_folder: bool = False, or_map: bool = False) -> Path:
        path = self._path.parent / text
        try:
            folder = (or_folder and _holds_segments(path)) or (or_map and path.is_dir())
            if not path.is_file() and not folder:
                state = "is not a file" if path.exists() else "does not exist"
                self._fault(where, f"{text} {state} (looked for {path.resolve()})")
        except OSError as error:
            self._fault(where, f"{_cut(text)} cannot name a file: {error.strerror}")
        except ValueError:
            self._fault(where, f"{_cut(text)} cannot name a file: it contains a NUL")
        return path

    def _times(self, raw: RawScenario) -> None:
        for name, value, least, most in (
            ("duration", raw.duration, NS_PER_S, MAX_DURATION_NS),
            ("probe_every", raw.probe_every, 10 * NS_PER_MS, 60 * NS_PER_S),
            ("sample_every", raw.sample_every or SAMPLE_EVERY_NS, 100 * NS_PER_MS, 60 * NS_PER_S),
        ):
            if not least <= value <= most:
                self._fault(
                    (name,),
                    f"must lie between {_readable(least)} and {_readable(most)}, got {_readable(value)}",
                )
        if not 0 <= raw.baseline.from_ < raw.baseline.to <= raw.duration:
            self._fault(("baseline",), "must satisfy 0 <= from < to <= duration")
        else:
            length = raw.baseline.to - raw.baseline.from_
            if length < LEAST_SAMPLES * NS_PER_S:
                wanted = format_duration(LEAST_SAMPLES * NS_PER_S)
                self._fault(("baseline",), f"must last at least {wanted}: normal is learned from one sample a second")
            for name, every in (("probe_every", raw.probe_every), ("sample_every", raw.sample_every or 0)):
                if every > NS_PER_S and every * LEAST_SAMPLES > length:
                    self._fault(
                        (name,),
                        f"the baseline of {format_duration(length)} would hold fewer than {LEAST_SAMPLES} samples; "
                        f"at most {format_duration(max(NS_PER_S, length / LEAST_SAMPLES))} would do",
                    )
        if raw.wall_budget < LEAST_WALL_BUDGET_NS:
            self._fault(
                ("wall_budget",),
                f"must be at least {format_duration(LEAST_WALL_BUDGET_NS)}, got {format_duration(raw.wall_budget)}",
            )

    def resolve(self, raw: RawScenario) -> Scenario:
        self._times(raw)
        for index, name in enumerate(raw.detectors):
            if name not in self._known_detectors:
                self._fault(
                    ("detectors", index),
                    f"unknown detector {name!r}; known: {', '.join(sorted(self._known_detectors))}",
                )
        self._each_once("detectors", list(enumerate(raw.detectors)))
        cures = read_cures(raw.mitigations, file=self._file, fault=self._fault)
        scenario = Scenario(
            path=self._path,
            name=raw.name,
            title=raw.title or raw.name,
            map=self._file(("map",), raw.map, or_map=True),
            map_format=raw.map_options.format,
            map_options=self._map_options(raw),
            demands=self._demands(raw),
            telemetry=self._telemetry(raw),
            calibrate=raw.calibrate,
            telemetry_rules=self._file(("telemetry_rules",), raw.telemetry_rules) if raw.telemetry_rules else None,
            production_after=self._file(("production_after",), raw.production_after, or_folder=True)
            if raw.production_after
            else None,
            duration_ns=raw.duration,
            seed=raw.seed,
            sample_every_ns=raw.sample_every or SAMPLE_EVERY_NS,
            samples_every_flow=raw.sample_every is not None,
            probe_every_ns=raw.probe_every,
            baseline_ns=(raw.baseline.from_, raw.baseline.to),
            levels=tuple(self._levels(raw)),
            events=tuple(sorted(self._events(raw), key=lambda event: event.at_ns)),
            detectors=tuple(raw.detectors),
            cures=cures,
            objective=read_objective(raw.objective, fault=self._fault),
            expect=self._expectation(raw, cures),
            ablate=raw.ablate,
            wall_budget_ns=raw.wall_budget,
            probe_bytes=raw.probe_bytes,
            probe_dscp=raw.probe_dscp,
            probe_as=raw.probe_as,
            traffic=read_traffic(raw.traffic, duration_ns=raw.duration, folder=self._path.parent, fault=self._fault),
            compute=read_compute(raw.compute, fault=self._fault),
            level_places=tuple(
                self._document.place(("service_levels", index)) for index in range(len(raw.service_levels))
            ),
        )
        if self._faults:
            raise InputError(*in_file_order(self._faults))
        return scenario

    def _telemetry(self, raw: RawScenario) -> Path | None:
        if raw.telemetry is not None:
            return self._file(("telemetry",), raw.telemetry, or_folder=True)
        if not raw.traffic and raw.demands is None:
            self._fault(
                (), "names neither `telemetry` nor `traffic` nor the `demands` of the map: nothing would be driven"
            )
        for key in ("telemetry_rules", "production_after", "calibrate"):
            if getattr(raw, key) is not None:
                self._fault((key,), "goes with `telemetry`, and there is none")
        return None

    def _map_options(self, raw: RawScenario) -> MapOptions:
        one = raw.map_options
        if one.format is not None and one.format not in format_keys():
            self._fault(("map_options", "format"), f"{_cut(one.format)} is none of {', '.join(format_keys())}")
        try:
            return MapOptions(
                hosts_per_router=one.hosts_per_router,
                largest_component=one.largest_component,
                rate_scale=1.0 if one.rate_scale is None else one.rate_scale,
            )
        except ValueError as error:
            self._fault(("map_options",), str(error))
            return MapOptions()

    def _demands(self, raw: RawScenario) -> DemandUse | None:
        if raw.demands is None:
            return None
        return DemandUse(unit=raw.demands.unit or "", scale=raw.demands.scale, place=self._document.place(("demands",)))

    def _each_once(self, what: str, names: list[tuple[int, str]]) -> None:
        seen: set[str] = set()
        for index, name in names:
            if name in seen:
                self._fault((what, index), f"{name!r} is given twice; results could not tell them apart")
            seen.add(name)

    def _expectation(self, raw: RawScenario, cures: Cures) -> Expectation | None:
        if raw.expect is None:
            return None
        names = [NOTHING.name, *(one.name for one in cures.mitigations)]
        if raw.expect.best is not None and raw.expect.best not in names and not cures.combine:
            self._fault(
                ("expect", "best"), f"no mitigation is called {raw.expect.best!r}; there are {', '.join(names)}"
            )
        levels = [one.name for one in raw.service_levels]
        for name in raw.expect.broken or ():
            if name not in levels:
                known = ", ".join(levels) or "none"
                self._fault(("expect", "broken"), f"no service level is called {name!r}; there are {known}")
        blamed = raw.expect.fault
        listed = None if blamed is None else (blamed,) if isinstance(blamed, str) else tuple(sorted(blamed))
        return Expectation(
            fault=() if listed == (NO_FAULT,) else listed,
            best=raw.expect.best,
            broken=None if raw.expect.broken is None else tuple(sorted(set(raw.expect.broken))),
            place=self._document.place(("expect",)),
        )

    def _levels(self, raw: RawScenario) -> list[ServiceLevel]:
        levels = []
        for index, one in enumerate(raw.service_levels):
            try:
                levels.append(
                    ServiceLevel(
                        name=one.name,
                        kpi=one.kpi,
                        limit=parse_limit(one.kpi, str(one.limit)),
                        paths=tuple(path.replace("->", "→") for path in one.paths),
                        services=tuple(one.services),
                        tolerated=one.tolerated,
                        window_ns=one.window,
                    )
                )
            except ValueError as error:
                self._fault(("service_levels", index), str(error))
        self._each_once("service_levels", [(index, one.name) for index, one in enumerate(raw.service_levels)])
        if raw.mitigations and not raw.service_levels:
            self._fault(("mitigations",), "cures are ranked by the service levels they mend: state at least one")
        return levels

    def _events(self, raw: RawScenario) -> Iterator[Event]:
        for index, one in enumerate(raw.events):
            event = read_event(
                one,
                ("events", index),
                duration_ns=raw.duration,
                baseline=raw.baseline,
                place=self._document.place,
                fault=self._fault,
            )
            if event is not None:
                yield event


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _readable(value_ns: int) -> str:
    hours, rest = divmod(value_ns, 3600 * NS_PER_S)
    return f"{hours} h" if hours and not rest else format_duration(value_ns)


def _holds_segments(path: Path) -> bool:
    """Whether this is a folder that a receiver writes, or one instance's part of it."""
    return path.is_dir() and any(any(path.glob(pattern)) for pattern in ("*.jsonl", "*/*.jsonl"))
