"""The form of a scenario file as it is written: keys, types, units.

In: plain data.  Out: checked forms; what refers to what is checked by :mod:`shadowlab.lab.scenario`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shadowlab.lab.cures.form import RawMitigation, RawTerm
from shadowlab.model.units import NS_PER_MS, NS_PER_S, parse_duration, parse_fraction, parse_rate, parse_size
from shadowlab.monitor.probe_stream import HEAD_BYTES, MOST_BYTES, MOST_DSCP, PAYLOAD_BYTES, ProbeKind
from shadowlab.topology.quantities import Id

_T = TypeVar("_T")


def _text(parse: Callable[[str], _T]) -> Callable[[object], _T]:
    def before(value: object) -> _T:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("write a number with its unit, like '3 ms' or '10 Mbit'")
        return parse(str(value))

    return before


Duration = Annotated[int, BeforeValidator(_text(parse_duration))]
Fraction = Annotated[float, BeforeValidator(_text(parse_fraction))]
Rate = Annotated[int, BeforeValidator(_text(parse_rate))]
Size = Annotated[int, BeforeValidator(_text(parse_size))]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawLevel(_Raw):
    name: str = Field(min_length=1)
    kpi: str
    limit: float | str
    paths: list[str] = []
    services: list[str] = []
    tolerated: Fraction = 0.0
    window: Duration = 5 * NS_PER_S


class _LinkKeys(_Raw):
    """The keys of a link on a map, whose values :mod:`shadowlab.lab.events.read` checks by the map's own sections."""

    delay: Any = None
    jitter: Any = None
    loss: Any = None
    duplicate: Any = None
    corrupt: Any = None
    reorder: Any = None
    rate: Any = None
    framing: Any = None
    slot: Any = None
    seed: Any = None
    queue: Any = None


LINK_KEYS = tuple(_LinkKeys.model_fields)


class RawStart(_LinkKeys):
    """Where a ramp begins; what is left out begins where it is."""

    demand: float | None = None


class RawEvent(_LinkKeys):
    at: Duration
    reason: str = ""
    degrade: str | None = None
    set: str | None = None
    ramp: str | None = None
    fail: str | None = None
    restore: str | None = None
    flap: str | None = None
    drain: str | None = None
    undrain: str | None = None
    demand: float | None = None
    flows: list[str] = []
    towards: str | None = None
    """The node the changed direction leads to; both directions if left out."""
    metric: int | None = Field(default=None, ge=1, strict=True)
    from_: RawStart | None = Field(default=None, alias="from")
    over: Duration | None = None
    every: Duration | None = None
    period: Duration | None = None
    duty: Fraction = 0.5
    count: int | None = Field(default=None, strict=True)
    until: Duration | None = None
    grace: Duration | None = None


class RawWindow(_Raw):
    from_: Duration = Field(alias="from")
    to: Duration


class RawExpectation(_Raw):
    fault: str | list[str] | None = None
    best: str | None = None
    broken: list[str] | None = None


class RawMapOptions(_Raw):
    """How to read the map: what ``--format`` and its like do on the command line."""

    format: str | None = None
    hosts_per_router: int | None = Field(default=None, strict=True)
    largest_component: bool = False
    rate_scale: float | None = None


class RawDemands(_Raw):
    """Traffic from the demands of the map."""

    unit: Literal["bps", "kbps", "mbps", "gbps", "tbps"] | None = None
    scale: float = Field(default=1.0, gt=0, le=1e6, allow_inf_nan=False)


class RawScenario(_Raw):
    shadowlab: Literal["scenario/1"]
    name: Id
    title: str = ""
    map: str
    map_options: RawMapOptions = RawMapOptions()
    demands: RawDemands | None = None
    telemetry: str | None = None
    telemetry_rules: str | None = None
    calibrate: Literal["links", "demand", "both"] | None = None
    production_after: str | None = None
    duration: Duration
    seed: int = Field(default=1, ge=0, lt=2**63)
    sample_every: Duration | None = None
    probe_every: Duration = 200 * NS_PER_MS
    probe_bytes: int = Field(default=PAYLOAD_BYTES, ge=HEAD_BYTES, le=MOST_BYTES, strict=True)
    probe_dscp: int = Field(default=0, ge=0, le=MOST_DSCP, strict=True)
    probe_as: ProbeKind = "auto"
    baseline: RawWindow
    service_levels: list[RawLevel] = []
    traffic: list[dict[str, Any]] = []
    """Checked one by one by :mod:`shadowlab.lab.workloads.read`."""
    compute: dict[str, Any] = {}
    events: list[RawEvent] = []
    detectors: list[str] = Field(default=["panel"], min_length=1)
    mitigations: Literal["auto"] | list[RawMitigation] = []
    objective: list[str | RawTerm] = []
    ablate: Literal["auto", "off"] = "auto"
    expect: RawExpectation | None = None
    wall_budget: Duration = 120 * NS_PER_S
