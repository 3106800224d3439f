"""Scenarios of bursts: incast, flash crowd, denial of service.

In: a situation.  Out: the same with a workload more, for as long as it is asked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Arrivals, Datagrams, Incast, Transfers, Workload
from shadowlab.predict.scenario.form import Form, Kind, Names
from shadowlab.predict.scenario.situation import Situation
from shadowlab.topology.quantities import Duration, Rate, Size

_INCAST_BYTES = 64_000
_INCAST_EVERY_NS = 1_000_000_000
_CROWD_BYTES = 100_000
_CROWD_PER_S = 20.0
_FLOOD_BPS = 5_000_000


class BurstForm(Form):
    burst: Literal["incast", "flash-crowd", "ddos"]
    on: str
    """The instance that all of it is about."""
    from_: Names = Field(default=("all",), alias="from")
    size: Size | None = None
    every: Duration | None = None
    per_second: Annotated[float, Field(gt=0, le=1e5)] | None = None
    rate: Rate = None
    begin: Duration = 0
    for_: Duration | None = Field(default=None, alias="for")


_TAKES = {"incast": {"size", "every"}, "flash-crowd": {"size", "per_second"}, "ddos": {"rate"}}


def _burst(form: BurstForm, situation: Situation, written: str) -> Situation:
    victim = situation.node(form.on, kind="host").id
    hosts = [one.id for one in situation.network.hosts if one.id != victim]
    others = tuple(hosts) if form.from_ == ("all",) else form.from_
    for name in others:
        if situation.node(name, kind="host").id == victim:
            raise ValueError(f"{victim} cannot burst onto itself")
    if not others:
        raise ValueError(f"there is no instance but {victim}")
    wrong = form.model_fields_set & {"size", "every", "per_second", "rate"} - _TAKES[form.burst]
    if wrong:
        takes = ", ".join(sorted(_TAKES[form.burst]))
        raise ValueError(f"{min(wrong)} does not go with {form.burst}; it takes {takes}")
    end = None if form.for_ is None else form.begin + form.for_
    name = f"{form.burst}-{victim}"
    workloads: tuple[Workload, ...]
    match form.burst:
        case "incast":
            workloads = (
                Incast(
                    name=name,
                    aggregator=victim,
                    workers=others,
                    response=constant(form.size or _INCAST_BYTES),
                    every_ns=form.every or _INCAST_EVERY_NS,
                    begin_ns=form.begin,
                    end_ns=end,
                ),
            )
            words = f"{len(others)} answer {victim} at once, {form.size or _INCAST_BYTES} bytes each"
        case "flash-crowd":
            per_second = form.per_second or _CROWD_PER_S
            arrivals = Arrivals(process="poisson", rate_per_s=per_second)
            size = constant(form.size or _CROWD_BYTES)
            workloads = (
                Transfers(
                    name=name,
                    sources=(victim,),
                    targets=others,
                    arrivals=arrivals,
                    size=size,
                    begin_ns=form.begin,
                    end_ns=end,
                ),
            )
            words = f"{per_second:g} more fetches a second from {victim}, {form.size or _CROWD_BYTES} bytes each"
        case _:
            rate = (form.rate or _FLOOD_BPS) // len(others)
            if rate < 1:
                raise ValueError("the rate is less than a bit a second from each")
            workloads = tuple(
                Datagrams(
                    name=f"{name}-{one}",
                    source=one,
                    target=victim,
                    rate_bps=rate,
                    service=name,
                    begin_ns=form.begin,
                    end_ns=end,
                )
                for one in others
            )
            words = f"a flood of {(form.rate or _FLOOD_BPS) / 1e6:g} Mbit/s onto {victim} from {len(others)} instances"
    when = f" from {form.begin / 1e9:g} s on" if form.begin else ""
    when += f" for {form.for_ / 1e9:g} s" if form.for_ is not None else ""
    return replace(situation, workloads=(*situation.workloads, *workloads)).told(words + when)


BURST = Kind(
    name="burst",
    form=BurstForm,
    apply=_burst,
    stage=4,
    meaning="incast, flash crowd or a flood (DDoS) on an instance, all the time or from `begin` on `for` a while",
    example="burst=flash-crowd,on=cdn-nyc,per_second=40",
)
