"""The keys of a link and their forms: a plain value where one number says it all, a mapping where it does not.

In: plain data.  Out: pydantic models that refuse a wrong form.  Never: a rule between two keys, which
:mod:`~shadowlab.topology.link_keys.build` has.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from shadowlab.model.impairment import DEFAULT_MTU, DEFAULT_QUEUE_PACKETS, Impairment
from shadowlab.model.jitter import Distribution
from shadowlab.model.loss import check_fraction
from shadowlab.model.network import MOST_METRIC, MOST_WEIGHT
from shadowlab.model.units import parse_size
from shadowlab.topology.quantities import Duration, Fraction, Rate, Size

DEFAULT_METRIC = 1
_COUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(packets?|bdp)\s*", re.IGNORECASE)


def section() -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _within(field: str) -> AfterValidator:
    """The limits of a quantity are those of the model."""

    def check(value: Any) -> Any:
        Impairment(**{field: value})
        return value

    return AfterValidator(check)


def _share(what: str) -> AfterValidator:
    def check(value: float) -> float:
        check_fraction(what, value)
        return value

    return AfterValidator(check)


def _form(value: Any) -> str:
    return "a mapping" if isinstance(value, dict | BaseModel) else "a value"


_BY_FORM = Discriminator(_form)
Share = Annotated[Fraction, _share("share")]
Correlation = Annotated[Fraction, _share("correlation")]
Whole = Annotated[int, Field(strict=True)]


class Limit(NamedTuple):
    """The size of a buffer, in ``packets``, ``bytes`` or bandwidth-delay products (``bdp``)."""

    amount: float
    unit: Literal["packets", "bytes", "bdp"]


def _limit(value: Any) -> Limit:
    if isinstance(value, Limit):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Limit(value, "packets")
    if not isinstance(value, str):
        raise ValueError("expected a size like '60 packets', '90 kB' or '1.5 bdp'")
    match = _COUNT.fullmatch(value)
    if match is None:
        return Limit(parse_size(value), "bytes")
    if match[2].lower() == "bdp":
        return Limit(float(match[1]), "bdp")
    if "." in match[1]:
        raise ValueError(f"{value!r}: packets are whole")
    return Limit(int(match[1]), "packets")


BufferSize = Annotated[
    Limit,
    BeforeValidator(_limit),
    WithJsonSchema({"type": ["string", "integer"], "examples": ["60 packets", "90 kB", "1.5 bdp"]}),
]


class JitterSection(BaseModel):
    """``jitter`` as a mapping."""

    model_config = section()
    size: Annotated[Duration, _within("jitter_ns")] | None = None
    mode: Literal["ordered", "reordering"] = "ordered"
    distribution: Distribution = "uniform"
    correlation: Correlation = 0.0
    samples: tuple[Duration, ...] = ()
    file: str = ""


class ChanceSection(BaseModel):
    """``duplicate`` or ``corrupt`` as a mapping."""

    model_config = section()
    share: Share
    correlation: Correlation = 0.0


class ReorderSection(ChanceSection):
    """``reorder`` as a mapping."""

    gap: Annotated[int, Field(ge=1, strict=True)] = 1


class LossSection(BaseModel):
    """``loss`` as a mapping."""

    model_config = section()
    model: Literal["single", "gilbert-elliott", "four-state"] = "single"
    ecn: bool = False
    share: Share | None = None
    correlation: Correlation = 0.0
    p: Share | None = None
    r: Share | None = None
    bad: Share | None = None
    good: Share | None = None
    p13: Share | None = None
    p31: Share | None = None
    p32: Share | None = None
    p23: Share | None = None
    p14: Share | None = None


class FramingSection(BaseModel):
    """``framing`` as a mapping."""

    model_config = section()
    packet: Whole = 24
    cell: Whole = 0
    cell_overhead: Whole = 0


class SlotSection(BaseModel):
    """``slot``: packets leave in bursts."""

    model_config = section()
    least: Duration
    most: Duration
    packets: Whole = 0
    bytes: Size = 0


class QueueSection(BaseModel):
    """``queue`` as a mapping."""

    model_config = section()
    kind: Literal["pfifo", "bfifo", "red", "codel", "fq_codel", "pie", "cake"]
    limit: BufferSize | None = None
    rtt: Duration | None = None
    ecn: bool | None = None
    target: Duration | None = None
    interval: Duration | None = None
    update: Duration | None = None
    alpha: Whole | None = None
    beta: Whole | None = None
    min: BufferSize | None = None
    max: BufferSize | None = None
    probability: Share | None = None
    adaptive: bool | None = None
    flows: Literal["flowblind", "hosts", "flows", "triple-isolate"] | None = None
    priorities: Literal["besteffort", "diffserv3", "diffserv4", "diffserv8"] | None = None


_Chance = Annotated[Annotated[Share, Tag("a value")] | Annotated[ChanceSection, Tag("a mapping")], _BY_FORM]


class ImpairmentSection(BaseModel):
    """What packets suffer."""

    model_config = section()
    delay: Annotated[Duration, _within("delay_ns")] = Field(default=0, description="one-way delay")
    jitter: Annotated[
        Annotated[Duration, _within("jitter_ns"), Tag("a value")] | Annotated[JitterSection, Tag("a mapping")], _BY_FORM
    ] = Field(default=0, description="the random part of the delay")
    loss: Annotated[
        Annotated[Fraction, _within("loss"), Tag("a value")] | Annotated[LossSection, Tag("a mapping")], _BY_FORM
    ] = Field(default=0.0, description="share of packets lost")
    duplicate: _Chance = Field(default=0.0, description="share of packets that arrive twice")
    corrupt: _Chance = Field(default=0.0, description="share of packets with one bit turned")
    reorder: Annotated[Annotated[Share, Tag("a value")] | Annotated[ReorderSection, Tag("a mapping")], _BY_FORM] = (
        Field(default=0.0, description="share of packets sent ahead of those that wait out their delay")
    )
    rate: Annotated[Rate, _within("rate_bps")] = Field(default=None, description="capacity; left out: unlimited")
    framing: Annotated[
        Annotated[Literal["ethernet", "none"], Tag("a value")] | Annotated[FramingSection, Tag("a mapping")], _BY_FORM
    ] = Field(default="ethernet", description="what a rate counts beyond the frame")
    slot: SlotSection | None = Field(default=None, description="bursts in which packets leave")
    seed: Annotated[int, Field(strict=True), _within("seed")] | None = Field(
        default=None, description="netem's own seed"
    )
    queue: Annotated[
        Annotated[int, Field(strict=True), _within("queue_packets"), Tag("a value")]
        | Annotated[QueueSection, Tag("a mapping")],
        _BY_FORM,
    ] = Field(default=DEFAULT_QUEUE_PACKETS, description="packets that may wait, or a queue discipline")

    def stated(self) -> dict[str, Any]:
        """The quantities this section states, and only these."""
        return {name: getattr(self, name) for name in ImpairmentSection.model_fields if name in self.model_fields_set}


class CommonSection(ImpairmentSection):
    """What both directions of a link share."""

    metric: int = Field(
        default=DEFAULT_METRIC, ge=1, le=MOST_METRIC, strict=True, description="its length to shortest-path routing"
    )
    mtu: Annotated[int, Field(strict=True), _within("mtu")] = Field(default=DEFAULT_MTU, description="largest packet")
    weight: int = Field(
        default=1, ge=1, le=MOST_WEIGHT, strict=True, description="its part of the flows among ways of equal cost"
    )
    offload: bool = Field(default=False, description="whether packets of up to 64 kB may cross as one")

    def stated(self) -> dict[str, Any]:
        own = {
            name: getattr(self, name)
            for name in ("metric", "mtu", "weight", "offload")
            if name in self.model_fields_set
        }
        return super().stated() | own
