"""The form of a watch file as it is written: keys, types, units.

In: plain data.  Out: checked forms; what refers to what is checked by :mod:`shadowlab.lab.watch.config`.
The keys that a scenario has too mean the same here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shadowlab.lab.cures.form import RawMitigation, RawTerm
from shadowlab.lab.inputs.prometheus_source import RawPrometheus
from shadowlab.lab.scenario_form import Duration, RawLevel, RawMapOptions, Size
from shadowlab.model.units import NS_PER_S
from shadowlab.topology.quantities import Id

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawTelemetry(_Raw):
    """Exactly one of these."""

    receiver: str | None = None
    """The folder of ``replicate-server``."""
    dumps: str | None = None
    """A folder into which somebody puts whole files."""
    file: str | None = None
    """A file that somebody appends to."""
    prometheus: RawPrometheus | None = None
    """Where Prometheus is, and what it is asked at every look."""


class RawBaseline(_Raw):
    every: Duration = HOUR_NS
    """A calm window that is younger than this does not replace the baseline."""
    file: str | None = None
    """A recording of a sound day, instead of the first window."""


class RawForecast(_Raw):
    horizon: Duration = HOUR_NS
    every: int = Field(default=10, ge=1, le=10_000, strict=True)
    """In cycles."""


class RawNotify(_Raw):
    """Exactly one of ``alertmanager``, ``webhook`` and ``syslog``."""

    name: Id
    alertmanager: str | None = None
    webhook: str | None = None
    syslog: str | None = None
    secret_file: str | None = None
    """Of a webhook: what bodies are signed with."""
    format: Literal["cef", "plain"] = "cef"
    least: Literal["info", "warning", "critical"] = "info"
    ca_file: str | None = None
    labels: dict[str, str] = {}


class RawTrigger(_Raw):
    """Where Alertmanager's webhook may begin a cycle."""

    listen: str = "127.0.0.1:9195"
    token_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None


class RawOtlp(_Raw):
    """A collector of OpenTelemetry that is given the figures of every cycle."""

    url: str
    token_file: str | None = None
    ca_file: str | None = None


class RawKeep(_Raw):
    cycles: int = Field(default=500, ge=1, le=1_000_000, strict=True)
    incidents: Duration = 30 * 24 * HOUR_NS
    disk: Size = 1 << 30
    """All cycles and incidents together."""


class RawWatch(_Raw):
    shadowlab: Literal["watch/1"]
    name: Id
    map: str
    map_options: RawMapOptions = RawMapOptions()
    telemetry: RawTelemetry
    telemetry_rules: str | None = None
    calibrate: Literal["links", "demand", "both"] | None = None
    state: str = "watch"
    every: Duration = MINUTE_NS
    window: Duration = 90 * NS_PER_S
    poll: Duration = 5 * NS_PER_S
    run: Duration = 30 * NS_PER_S
    budget: Duration = 30 * NS_PER_S
    """Wall time that a cycle's runs may take; above, they are scaled down."""
    seed: int = Field(default=1, ge=0, lt=2**63)
    probe_every: Duration = 500_000_000
    baseline: RawBaseline = RawBaseline()
    service_levels: list[RawLevel] = []
    compute: dict[str, Any] = {}
    mitigations: Literal["auto"] | list[RawMitigation] = []
    objective: list[str | RawTerm] = []
    forecast: RawForecast | Literal["off"] = "off"
    resolve_after: int = Field(default=2, ge=1, le=1000, strict=True)
    """Cycles in a row that find it no more."""
    notify: list[RawNotify] = []
    trigger: RawTrigger | None = None
    otlp: RawOtlp | None = None
    keep: RawKeep = RawKeep()
    merge_above: int = Field(default=1000, ge=1, strict=True)
    """With more flows than this, those of one pair and service are summed up."""
