"""A watch file: what is watched, how often, what was promised, who is told.

In: YAML text.  Out: a frozen :class:`WatchConfig`, or one InputError with every fault and its place.
Never: telemetry is read here, or a receiver spoken to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from shadowlab.errors import Fault, InputError
from shadowlab.lab.ahead.asked import DEFAULT_LEVELS
from shadowlab.lab.inputs.prometheus_source import prometheus_of
from shadowlab.lab.scenario import Scenario, resolve_form
from shadowlab.lab.scenario_form import RawScenario
from shadowlab.lab.watch.form import RawNotify, RawOtlp, RawTrigger, RawWatch
from shadowlab.lab.watch.otlp.config import OtlpConfig
from shadowlab.lab.watch.sources import SourceKind
from shadowlab.lab.watch.trigger.receiver import TriggerConfig
from shadowlab.model.units import NS_PER_S, format_duration
from shadowlab.model.watch.incident import Severity
from shadowlab.telemetry.live.http import is_loopback, site_fault
from shadowlab.telemetry.live.prometheus import PrometheusSource
from shadowlab.topology.formats import read_input
from shadowlab.topology.positioned import Positioned, in_file_order, load_positioned, validate
from shadowlab.topology.wording import subject

WARM_UP_NS = 20 * NS_PER_S
"""Of every run, not judged: slow start."""
LEAST_RUN_NS = WARM_UP_NS + 10 * NS_PER_S
_SCHEMES = {"alertmanager": ("http", "https"), "webhook": ("http", "https"), "syslog": ("udp", "unix")}

ReceiverKind = Literal["alertmanager", "webhook", "syslog"]


@dataclass(frozen=True, kw_only=True)
class ReceiverConfig:
    """Who is told.  ``secret_file`` and ``ca_file`` are read when something is sent: a new secret is taken up."""

    name: str
    kind: ReceiverKind
    url: str
    least: Severity = "info"
    secret_file: Path | None = None
    ca_file: Path | None = None
    cef: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """``scenario`` holds the map, the promises, the cures and the times of a run; it has no events and no telemetry."""

    path: Path
    name: str
    scenario: Scenario
    telemetry: Path | PrometheusSource
    telemetry_kind: SourceKind
    telemetry_rules: Path | None
    calibrate: Literal["links", "demand", "both"] | None
    state: Path
    every_ns: int
    window_ns: int
    poll_ns: int
    budget_ns: int
    baseline_every_ns: int
    baseline_file: Path | None
    horizon_ns: int
    """0: no forecast."""
    forecast_every: int
    resolve_after: int
    receivers: tuple[ReceiverConfig, ...]
    trigger: TriggerConfig | None
    otlp: OtlpConfig | None
    keep_cycles: int
    keep_incidents_ns: int
    keep_bytes: int
    merge_above: int
    promised: bool


def load_watch(path: Path, *, known_detectors: frozenset[str]) -> WatchConfig:
    """Read and check a watch file.  Raises InputError with every fault found."""
    document = load_positioned(read_input(path, what="watch file"), name=str(path))
    raw = validate(RawWatch, document)
    faults: list[Fault] = []

    def fault(where: tuple[str | int, ...], message: str) -> None:
        faults.append(Fault(place=document.place(where), message=f"{subject(where)}: {message}"))

    _times(raw, fault)
    kind, telemetry = _telemetry(raw, path, fault)
    rules, baseline = (
        _file(path, name, where, fault)
        for name, where in (
            (raw.telemetry_rules, ("telemetry_rules",)),
            (raw.baseline.file, ("baseline", "file")),
        )
    )
    receivers = tuple(_receiver(one, index, path, fault) for index, one in enumerate(raw.notify))
    trigger = None if raw.trigger is None else _trigger(raw.trigger, path, fault)
    otlp = None if raw.otlp is None else _otlp(raw.otlp, path, fault)
    for index, one in enumerate(receivers):
        if one.name in {other.name for other in receivers[:index]}:
            fault(("notify", index, "name"), f"{one.name!r} is given twice; outboxes could not tell them apart")
    try:
        scenario = _scenario(raw, document, path, known_detectors)
    except InputError as error:
        raise InputError(*faults, *error.faults) from error
    if faults:
        raise InputError(*in_file_order(faults))
    promised = bool(scenario.levels)
    if not promised:
        places = ("service_levels",) * len(DEFAULT_LEVELS)
        scenario = replace(scenario, levels=DEFAULT_LEVELS, level_places=places)
    return WatchConfig(
        path=path,
        name=raw.name,
        scenario=scenario,
        telemetry=telemetry,
        telemetry_kind=kind,
        telemetry_rules=rules,
        calibrate=raw.calibrate,
        state=path.parent / raw.state,
        every_ns=raw.every,
        window_ns=raw.window,
        poll_ns=raw.poll,
        budget_ns=raw.budget,
        baseline_every_ns=raw.baseline.every,
        baseline_file=baseline,
        horizon_ns=0 if raw.forecast == "off" else raw.forecast.horizon,
        forecast_every=1 if raw.forecast == "off" else raw.forecast.every,
        resolve_after=raw.resolve_after,
        receivers=receivers,
        trigger=trigger,
        otlp=otlp,
        keep_cycles=raw.keep.cycles,
        keep_incidents_ns=raw.keep.incidents,
        keep_bytes=raw.keep.disk,
        merge_above=raw.merge_above,
        promised=promised,
    )


def _times(raw: RawWatch, fault: Any) -> None:
    hour = 3600 * NS_PER_S
    for name, value, least, most in (
        ("every", raw.every, NS_PER_S, 24 * hour),
        ("window", raw.window, 2 * NS_PER_S, 24 * hour),
        ("poll", raw.poll, NS_PER_S // 10, hour),
        ("run", raw.run, LEAST_RUN_NS, hour),
        ("budget", raw.budget, 2 * NS_PER_S, hour),
        ("probe_every", raw.probe_every, NS_PER_S // 100, 60 * NS_PER_S),
    ):
        if not least <= value <= most:
            fault((name,), f"must lie between {format_duration(least)} and {format_duration(most)}")


def _telemetry(raw: RawWatch, path: Path, fault: Any) -> tuple[SourceKind, Path | PrometheusSource]:
    one = raw.telemetry
    stated: list[tuple[SourceKind, str]] = []
    if one.receiver is not None:
        stated.append(("receiver", one.receiver))
    if one.dumps is not None:
        stated.append(("dumps", one.dumps))
    if one.file is not None:
        stated.append(("file", one.file))
    if len(stated) + (one.prometheus is not None) != 1:
        fault(("telemetry",), "is exactly one of receiver, dumps, file, prometheus")
        return "file", path
    if one.prometheus is not None:
        return "prometheus", prometheus_of(one.prometheus, path.parent, ("telemetry", "prometheus"), fault)
    kind, name = stated[0]
    place = path.parent / name
    if not (place.is_file() if kind == "file" else place.is_dir()):
        wanted = "file" if kind == "file" else "folder"
        fault(("telemetry", kind), f"{name} is no {wanted} (looked for {place.resolve()})")
    return kind, place


def _file(path: Path, name: str | None, where: tuple[str | int, ...], fault: Any) -> Path | None:
    if name is None:
        return None
    place = path.parent / name
    if not place.is_file():
        fault(where, f"{name} is not a file (looked for {place.resolve()})")
    return place


def _receiver(raw: RawNotify, index: int, path: Path, fault: Any) -> ReceiverConfig:
    where = ("notify", index)
    stated: list[tuple[ReceiverKind, str]] = []
    if raw.alertmanager is not None:
        stated.append(("alertmanager", raw.alertmanager))
    if raw.webhook is not None:
        stated.append(("webhook", raw.webhook))
    if raw.syslog is not None:
        stated.append(("syslog", raw.syslog))
    if len(stated) != 1:
        fault(where, "is exactly one of alertmanager, webhook, syslog, beside its name")
        return ReceiverConfig(name=raw.name, kind="webhook", url="")
    kind, url = stated[0]
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES[kind] or not (parts.netloc or parts.scheme == "unix"):
        fault((*where, kind), f"expected an address of the scheme {' or '.join(_SCHEMES[kind])}, like {_example(kind)}")
    if parts.username or parts.password:
        fault((*where, kind), "holds a password, which process lists and logs would show: a webhook has `secret_file`")
    if kind != "webhook" and raw.secret_file:
        fault((*where, "secret_file"), "goes with webhook")
    return ReceiverConfig(
        name=raw.name,
        kind=kind,
        url=url,
        least=raw.least,
        secret_file=_file(path, raw.secret_file, (*where, "secret_file"), fault),
        ca_file=_file(path, raw.ca_file, (*where, "ca_file"), fault),
        cef=raw.format == "cef",
        labels=dict(raw.labels),
    )


def _trigger(raw: RawTrigger, path: Path, fault: Any) -> TriggerConfig:
    host, colon, port = raw.listen.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port[:6]) <= 65_535:
        fault(("trigger", "listen"), "expected ADDRESS:PORT, like 127.0.0.1:9195 or [::1]:9195")
    host = host.removeprefix("[").removesuffix("]")
    files = {
        name: _file(path, text, ("trigger", name), fault)
        for name, text in (
            ("token_file", raw.token_file),
            ("certificate_file", raw.certificate_file),
            ("key_file", raw.key_file),
        )
    }
    missing = [name for name, one in files.items() if one is None]
    if missing and host and not is_loopback(host):
        fault(("trigger", "listen"), f"others reach {host}: give {', '.join(missing)}, or listen at 127.0.0.1")
    if (raw.certificate_file is None) != (raw.key_file is None):
        fault(("trigger",), "a certificate and its key go together: certificate_file and key_file")
    return TriggerConfig(host=host, port=int(port) if port.isdecimal() else 0, **files)


def _otlp(raw: RawOtlp, path: Path, fault: Any) -> OtlpConfig:
    if words := site_fault(raw.url, with_token=raw.token_file is not None):
        fault(("otlp", "url"), words)
    return OtlpConfig(
        url=raw.url,
        token_file=_file(path, raw.token_file, ("otlp", "token_file"), fault),
        ca_file=_file(path, raw.ca_file, ("otlp", "ca_file"), fault),
    )


def _example(kind: ReceiverKind) -> str:
    return {
        "alertmanager": "http://127.0.0.1:9093",
        "webhook": "https://hooks.example/shadowlab",
        "syslog": "udp://127.0.0.1:514 or unix:/dev/log",
    }[kind]


def _scenario(raw: RawWatch, document: Positioned, path: Path, known_detectors: frozenset[str]) -> Scenario:
    """The part that a scenario has too, checked as one; its places are those of the watch file."""
    form = RawScenario(
        shadowlab="scenario/1",
        name=raw.name,
        title=f"watch of {raw.name}",
        map=raw.map,
        map_options=raw.map_options,
        demands={},  # stands for the telemetry, which a scenario must name
        duration=f"{max(raw.run, LEAST_RUN_NS)} ns",
        seed=raw.seed,
        probe_every=f"{raw.probe_every} ns",
        baseline={"from": f"{WARM_UP_NS} ns", "to": f"{max(raw.run, LEAST_RUN_NS)} ns"},
        service_levels=raw.service_levels,
        compute=raw.compute,
        mitigations=raw.mitigations,
        objective=raw.objective,
        wall_budget=f"{max(raw.budget, 2 * NS_PER_S)} ns",
    )
    # Two runs go side by side, and a part of the budget is for reading and judging.
    found = resolve_form(form, document, path=path, known_detectors=known_detectors)
    return replace(found, demands=None, wall_budget_ns=max(2 * NS_PER_S, found.wall_budget_ns // 2))
