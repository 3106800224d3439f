"""Scenarios of links: worse, better, new, slower, with another queue, with another metric.

In: a situation.  Out: the same with other links or routes.  Values are written and checked as those of a map are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field

from shadowlab.model.impairment import Impairment
from shadowlab.model.network import MOST_METRIC, MOST_WEIGHT, Direction, Link, SourceRoute
from shadowlab.model.units import exact_duration, format_duration, format_rate, parse_duration
from shadowlab.predict.scenario.form import Factor, Form, Kind, Names
from shadowlab.predict.scenario.situation import Situation
from shadowlab.topology.link_keys.restate import restated
from shadowlab.topology.link_keys.sections import ImpairmentSection
from shadowlab.topology.quantities import Duration, Id, Rate
from shadowlab.topology.wording import plain_faults

ALL = "all"
Metric = Annotated[
    int, BeforeValidator(lambda one: int(one) if isinstance(one, str) else one), Field(ge=1, le=MOST_METRIC)
]
Weight = Annotated[
    int, BeforeValidator(lambda one: int(one) if isinstance(one, str) else one), Field(ge=1, le=MOST_WEIGHT)
]
Name = Annotated[str, BeforeValidator(str)]
_KEYS = tuple(ImpairmentSection.model_fields)


def _shift(value: Any) -> int:
    text = str(value).strip()
    return -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text.removeprefix("+"))


class DegradeForm(Form):
    model_config = ConfigDict(extra="allow", frozen=True)
    degrade: Name
    towards: Name = ""
    at: Duration | None = None


class LatencyForm(Form):
    latency_shift: Names = Field(alias="latency-shift")
    by: Annotated[int, BeforeValidator(_shift)] | None = None
    factor: Factor | None = None


class QueueForm(Form):
    model_config = ConfigDict(extra="allow", frozen=True)
    queue_change: Names = Field(alias="queue-change")


class UpgradeForm(Form):
    upgrade: Names
    factor: Factor | None = None
    rate: Rate = None


class NewLinkForm(Form):
    new_link: Name = Field(alias="new-link", pattern=r"^[^:]+:[^:]+$")
    id: Id = ""
    rate: Rate = None
    delay: Duration | None = None
    metric: Metric | None = None
    queue: Annotated[int, Field(ge=1)] | None = None


class RerouteForm(Form):
    reroute: Name
    metric: Metric | None = None
    weight: Weight | None = None
    path: Names = ()
    spread: Literal["on", "off"] | None = None


def restate_link(link: Link, stated: Mapping[str, Any], towards: str = "") -> Link:
    """The link with these keys of a map stated anew.  Raises ValueError in the words of a map's faults."""
    data = dict(stated)
    try:
        values = ImpairmentSection.model_validate(data).stated()
    except pydantic.ValidationError as error:
        raise ValueError("; ".join(words for _, words, _ in plain_faults(error, ImpairmentSection, data))) from None
    if towards and towards not in (link.a, link.b):
        raise ValueError(f"{towards!r} is not an end of {link.id}; they are {link.a} and {link.b}")
    chosen = [one for one in link.directions if not towards or one.target == towards]
    return restated(link, dict.fromkeys(chosen, values), folder=Path())


def _degrade(form: DegradeForm, situation: Situation, written: str) -> Situation:
    situation.need_link(form.degrade)
    stated = dict(form.__pydantic_extra__ or {})
    if not stated:
        raise ValueError(f"what becomes worse? State keys of the link, like loss=1%; there are {', '.join(_KEYS)}")
    link = restate_link(situation.network.links_by_id[form.degrade], stated, form.towards)
    words = ", ".join(f"{key} {value}" for key, value in stated.items())
    if form.at is not None:
        happening: dict[str, Any] = {"at": exact_duration(form.at), "degrade": form.degrade, **stated}
        happening |= {"towards": form.towards} if form.towards else {}
        return (
            replace(situation, happenings=(*situation.happenings, happening))
            .touching([form.degrade], written)
            .told(f"{form.degrade} degrades at {form.at / 1e9:g} s: {words}")
        )
    return _with(situation, [link], written).told(f"{form.degrade} degrades: {words}")


def _latency(form: LatencyForm, situation: Situation, written: str) -> Situation:
    if (form.by is None) == (form.factor is None):
        raise ValueError("by how much? State either by=5ms (or by=-2ms) or factor=1.5")

    def shifted(one: Impairment) -> Impairment:
        delay = round(one.delay_ns * form.factor) if form.factor is not None else one.delay_ns + (form.by or 0)
        return replace(one, delay_ns=delay).check()

    links = [
        replace(link, forward=shifted(link.forward), backward=shifted(link.backward))
        for link in chosen_links(form.latency_shift, situation)
    ]
    how = f"times {form.factor:g}" if form.factor is not None else _signed(form.by or 0)
    return _with(situation, links, written).told(f"delay of {_listed(form.latency_shift)} {how}, each way")


def _queue(form: QueueForm, situation: Situation, written: str) -> Situation:
    stated = dict(form.__pydantic_extra__ or {})
    if not stated:
        raise ValueError("to which queue? State kind=fq_codel (or another discipline), or limit=200 packets")
    queue: Any = stated["limit"] if set(stated) == {"limit"} and isinstance(stated["limit"], int) else stated
    if isinstance(queue, dict) and "kind" not in queue:
        queue = {"kind": "pfifo", **queue}
    links = [
        restate_link(link, {"queue": queue})
        for link in chosen_links(form.queue_change, situation)
        if link.forward.rate_bps is not None and link.backward.rate_bps is not None
    ]
    if not links:
        raise ValueError("none of these links has a rate, so nothing ever queues there")
    words = ", ".join(f"{key} {value}" for key, value in stated.items())
    return _with(situation, links, written).told(f"queue of {_listed(form.queue_change)}: {words}")


def _upgrade(form: UpgradeForm, situation: Situation, written: str) -> Situation:
    if (form.factor is None) == ("rate" not in form.model_fields_set):
        raise ValueError("to what? State either factor=2 or rate=20Mbit")

    def faster(one: Impairment) -> Impairment:
        rate = form.rate if form.factor is None else one.rate_bps and round(one.rate_bps * form.factor)
        return replace(one, rate_bps=rate).check()

    links = [
        replace(link, forward=faster(link.forward), backward=faster(link.backward))
        for link in chosen_links(form.upgrade, situation)
    ]
    how = (
        f"times {form.factor:g}"
        if form.factor is not None
        else f"{'unlimited' if form.rate is None else format_rate(form.rate)}"
    )
    return _with(situation, links, written).told(f"rate of {_listed(form.upgrade)} {how}")


def _new_link(form: NewLinkForm, situation: Situation, written: str) -> Situation:
    a, _, b = form.new_link.partition(":")
    for end in (a, b):
        situation.node(end)
    taken = situation.network.links_by_id
    name = form.id or next(
        one for number in range(1, 1000) if (one := f"{a}-{b}" + f"-{number}" * (number > 1)) not in taken
    )
    beside = next((one for one in taken.values() if {one.a, one.b} == {a, b}), Link(id=name, a=a, b=b))
    ways = (Direction(link=beside.id, source=a, target=b), Direction(link=beside.id, source=b, target=a))

    def stated(one: Impairment) -> Impairment:
        delay = one.delay_ns if form.delay is None else form.delay
        one = replace(one, delay_ns=delay, rate_bps=form.rate if "rate" in form.model_fields_set else one.rate_bps)
        return (one if form.queue is None else one.with_queue_packets(form.queue)).check()

    link = Link(
        id=name,
        a=a,
        b=b,
        forward=stated(beside.impairment(ways[0])),
        backward=stated(beside.impairment(ways[1])),
        metric=form.metric or beside.metric_of(ways[0]),
        metric_backward=None if form.metric else beside.metric_of(ways[1]),
        weight=beside.weight,
    )
    network = replace(situation.network, links=(*situation.network.links, link))
    words = f"new link {name}: {link.forward.describe()}" + (f", beside {beside.id}" if beside.id in taken else "")
    return replace(situation, network=network).touching([name], written).told(words)


def _reroute(form: RerouteForm, situation: Situation, written: str) -> Situation:
    network = situation.network
    if sum((form.metric is not None, form.weight is not None, bool(form.path), form.spread is not None)) != 1:
        raise ValueError(
            "how? State one of metric=N or weight=N (of a link), path=a+b+c (of SOURCE>TARGET), spread=on or off "
            "(reroute=ecmp)"
        )
    if form.metric is not None:
        situation.need_link(form.reroute)
        link = replace(network.links_by_id[form.reroute], metric=form.metric, metric_backward=None)
        return _with(situation, [link], written).told(f"metric of {form.reroute} is {form.metric}")
    if form.weight is not None:
        situation.need_link(form.reroute)
        link = replace(network.links_by_id[form.reroute], weight=form.weight)
        words = "" if network.ecmp else " (it says nothing before reroute=ecmp,spread=on)"
        return _with(situation, [link], written).told(
            f"weight of {form.reroute} among equal ways is {form.weight}{words}"
        )
    if form.spread is not None:
        if form.reroute != "ecmp":
            raise ValueError("spread goes with reroute=ecmp")
        words = "flows are spread over ways of equal cost" if form.spread == "on" else "one way is taken of equal ones"
        return replace(situation, network=replace(network, ecmp=form.spread == "on")).told(words)
    source, arrow, target = form.reroute.replace("→", ">").partition(">")
    if not arrow:
        raise ValueError(f"{form.reroute!r} is no pair; an explicit path is of one: reroute=web>db,path=north+south")
    for end in (source, target):
        situation.node(end, kind="host")
    steps = (source, *form.path, target)
    beside = {frozenset((link.a, link.b)) for link in network.links}
    for here, there in pairwise(steps):
        situation.node(there)
        if frozenset((here, there)) not in beside:
            raise ValueError(f"no link leads from {here} to {there}")
    routes = [one for one in network.source_routes if (one.source, one.target) != (source, target)]
    pinned = SourceRoute(source=source, target=target, path=form.path)
    over = [f"{one}-{other}" for one, other in pairwise(steps)]
    return replace(situation, network=replace(network, source_routes=(*routes, pinned))).told(
        f"{source}→{target} goes by {', '.join(form.path)} ({len(over)} links)"
    )


def chosen_links(names: tuple[str, ...], situation: Situation) -> list[Link]:
    """The links by name; ``all`` are those between routers."""
    network = situation.network
    if names == (ALL,):
        return [link for link in network.links if not network.is_access(link)]
    for name in names:
        situation.need_link(name)
    return [network.links_by_id[name] for name in names]


def _with(situation: Situation, links: list[Link], written: str) -> Situation:
    names = [link.id for link in links]
    return replace(situation, network=situation.network.with_links(*links)).touching(names, written)


def _listed(names: tuple[str, ...]) -> str:
    return "all links between routers" if names == (ALL,) else ", ".join(names)


def _signed(value_ns: int) -> str:
    return f"{'+' if value_ns >= 0 else '-'}{format_duration(abs(value_ns))}"


DEGRADE = Kind(
    name="degrade",
    form=DegradeForm,
    apply=_degrade,
    stage=1,
    meaning="a link with other keys of a map (loss, delay, jitter, rate, …), both ways or `towards` one end",
    example="degrade=chi-ind,loss=1%",
)
LATENCY_SHIFT = Kind(
    name="latency-shift",
    form=LatencyForm,
    apply=_latency,
    stage=1,
    meaning="delays of links (or `all`) shifted by a time or times a factor, each way",
    example="latency-shift=chi-ind,by=5ms",
)
QUEUE_CHANGE = Kind(
    name="queue-change",
    form=QueueForm,
    apply=_queue,
    stage=1,
    meaning="another queue discipline or buffer on links (or `all`)",
    example="queue-change=all,kind=fq_codel",
)
UPGRADE = Kind(
    name="upgrade",
    form=UpgradeForm,
    apply=_upgrade,
    stage=1,
    meaning="another rate of links (or `all`)",
    example="upgrade=chi-ind,factor=2",
)
NEW_LINK = Kind(
    name="new-link",
    form=NewLinkForm,
    apply=_new_link,
    stage=0,
    meaning="a link that is not there yet",
    example="new-link=den:hou,rate=10Mbit,delay=6ms,metric=1200",
)
REROUTE = Kind(
    name="reroute",
    form=RerouteForm,
    apply=_reroute,
    stage=5,
    meaning="another metric of a link or weight among equal ways, an explicit path of a pair, or flows spread over "
    "ways of equal cost",
    example="reroute=chi-ind,metric=5000",
)
