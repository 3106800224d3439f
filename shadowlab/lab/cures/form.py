"""The form of a scenario's `mitigations` and `objective`.

In: plain YAML values.  Out: pydantic forms; what goes with what is checked by :mod:`shadowlab.lab.cures.read`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shadowlab.model.units import NS_PER_S
from shadowlab.topology.quantities import Duration, Fraction


def _share(value: float) -> float:
    if not 0.0 < value <= 1.0:
        raise ValueError(f"must lie above 0 and up to 100 %, got {value * 100:g} %")
    return value


Share = Annotated[Fraction, AfterValidator(_share)]


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RawScript(_Raw):
    name: str = Field(min_length=1)
    file: str
    timeout: Duration = 10 * NS_PER_S
    faults: list[Literal["loss", "delay", "loss and delay", "black hole", "loop", "capacity", "unknown"]] = []


class RawUpgrade(_Raw):
    factor: float = Field(gt=1.0, le=1000.0)


class RawMetric(_Raw):
    factor: int = Field(ge=2, le=1_000_000, strict=True)


class RawWeights(_Raw):
    factor: int = Field(ge=2, le=256, strict=True)


class RawCongestion(_Raw):
    control: str = Field(min_length=1, max_length=15, pattern=r"^[a-z0-9_]+$")
    services: list[str] = []


class RawLimit(_Raw):
    share: Share
    what: list[str] = []
    """Flows, workloads or services; left out: the heaviest across the fault domain."""


class RawCompute(_Raw):
    factor: float = Field(gt=1.0, le=1000.0)
    nodes: list[str] = []


class RawScaleOut(_Raw):
    workload: str
    node: str


class RawMove(_Raw):
    workload: str
    source: str
    target: str


class RawPath(_Raw):
    source: str = ""
    target: str = ""
    by: list[str] = []
    """Routers; left out: the shortest way around the fault domain."""


class RawMitigation(_Raw):
    reroute: bool | None = None
    metric: RawMetric | None = None
    weights: RawWeights | None = None
    drain: bool | str | None = None
    upgrade: RawUpgrade | None = None
    queue: Any = None
    congestion: RawCongestion | None = None
    limit: RawLimit | None = None
    compute: RawCompute | None = None
    scale_out: RawScaleOut | None = None
    move: RawMove | None = None
    path: RawPath | None = None
    script: RawScript | None = None
    combine: bool | None = None


KINDS = tuple(RawMitigation.model_fields)


class RawTerm(_Raw):
    """An indicator to compare cures by."""

    kpi: str
    of: list[str] = []
    tolerance: Share = 0.05
