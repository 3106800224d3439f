"""The network ahead of time: demand that is forecast, driven through the shadow, held against the service levels.

In: an inquiry, forecasts of demand.  Out: for every service level when it is first broken, with 80 %, and which link is
to blame.  Never: a moment of saturation by utilisation: a link is full when a service level says so.

At each of a few moments ahead the network is run at the lower, the middle and the higher quantile of demand: all series
at the same quantile, which is cautious where they do not move together.  Growth is rounded to hundredths, so that hours
alike are one run.

Of one series, what decides a service level is taken never to get better with demand: all runs together tell from which
demand on it breaks, and the forecast when that is.  Of several, no one number is *the* demand: between the moments the
value is taken to go straight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shadowlab.errors import InputError
from shadowlab.lab.ahead.history import TOTAL
from shadowlab.lab.ahead.whatif import Inquiry
from shadowlab.model.kpi import KPIS
from shadowlab.model.traffic.workload import service_of
from shadowlab.predict.forecast.backtest import QUANTILES, Forecast
from shadowlab.predict.forecast.crossing import Crossing, breaking_demand, crossing
from shadowlab.predict.scenario.form import LEAST_FACTOR, MOST_FACTOR
from shadowlab.predict.scenario.grid import Variant
from shadowlab.predict.sweep.answer import Answer, Provenance, VariantAnswer
from shadowlab.predict.sweep.estimate import Prediction

_FINE = 240
"""Moments of the horizon at which demand is held against what breaks a level."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A service level that is going to be broken on a path, or by a service.  ``link`` is the fullest direction on its
    way when it breaks; of a service the fullest there is."""

    level: str
    subject: str
    kpi: str
    limit: float
    when: Crossing
    link: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A moment ahead: growth of each series at the quantile, and what the run of it said."""

    seconds: float
    quantile: float
    growth: Mapping[str, float]
    variant: str
    verdict: str
    nearness: float


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """``violations`` the soonest first.  ``broken_now``: levels that the baseline breaks already."""

    horizon_s: float
    violations: tuple[Violation, ...]
    broken_now: tuple[str, ...]
    points: tuple[Point, ...]
    provenance: Provenance
    headline: str


def foresee(
    inquiry: Inquiry,
    forecasts: Sequence[Forecast],
    *,
    horizon_s: float,
    moments: int,
    on_round: Callable[[int, int], None],
) -> Foresight:
    """Raises InputError for a series of no part of the demand."""
    selectors = {one.name: selector(inquiry, one) for one in forecasts}
    ahead = _moments(forecasts, horizon_s, moments)
    plan: dict[tuple[float, float], tuple[Variant, dict[str, float]]] = {}
    for seconds in ahead:
        for quantile in QUANTILES:
            growth = {one.name: _growth(one, seconds, quantile) for one in forecasts}
            scenarios = tuple({"growth": factor, **selectors[name]} for name, factor in growth.items() if factor != 1.0)
            plan[seconds, quantile] = Variant(scenarios=scenarios), growth
    variants = list({variant.name: variant for variant, _ in plan.values() if variant.scenarios}.values())
    answer = inquiry.answer(variants, on_round=on_round)
    by_name = {one.name: one for one in (answer.baseline, *answer.variants)}
    found = {key: by_name[variant.name] for key, (variant, _) in plan.items()}
    violations = _violations(inquiry, answer, forecasts, ahead, found)
    broken = tuple(
        f"{one.level} on {one.subject}" for one in answer.baseline.predictions if one.verdict in ("breaks", "cut off")
    )
    return Foresight(
        horizon_s=horizon_s,
        violations=violations,
        broken_now=broken,
        points=tuple(
            Point(
                seconds=seconds,
                quantile=quantile,
                growth=growth,
                variant=variant.name,
                verdict=found[seconds, quantile].verdict,
                nearness=found[seconds, quantile].nearness,
            )
            for (seconds, quantile), (variant, growth) in plan.items()
        ),
        provenance=answer.provenance,
        headline=_headline(violations, broken, horizon_s, answer),
    )


def _moments(forecasts: Sequence[Forecast], horizon_s: float, number: int) -> list[float]:
    """So many moments, evenly up to the horizon; of several the one next to the highest demand stands right on it, or
    the network would never be asked what decides."""
    even = [horizon_s * (one + 1) / number for one in range(number)]
    fine = [horizon_s * (one + 1) / _FINE for one in range(_FINE)]
    highest = max(fine, key=lambda seconds: sum(one.at(seconds, QUANTILES[1]) for one in forecasts))
    if number > 1:
        next_to = min(range(number - 1), key=lambda one: abs(even[one] - highest))
        even[next_to] = highest
    return sorted({*even, horizon_s})


def selector(inquiry: Inquiry, one: Forecast) -> dict[str, Any]:
    """The part of the demand that a series is of: ``total``, a service, a flow or workload, or a pair ``a>b``."""
    inputs = inquiry.asked.inputs
    if one.name == TOTAL:
        return {}
    services = {flow.service for flow in inputs.flows} | {service_of(each) for each in inputs.workloads}
    if one.name in services - {""}:
        return {"service": one.name}
    if one.name in {flow.id for flow in inputs.flows} | {each.name for each in inputs.workloads}:
        return {"flows": one.name}
    source, arrow, target = one.name.replace("→", ">").partition(">")
    if arrow and {source, target} <= set(inputs.network.nodes_by_id):
        return {"from": source, "to": target}
    raise InputError(
        f"series {one.name!r} is of no part of the demand: call it {TOTAL}, or as a service, a flow, a workload, or a "
        "pair like web>db"
    )


def _growth(one: Forecast, seconds: float, quantile: float) -> float:
    if one.now <= 0:
        raise InputError(f"series {one.name} is zero now: no growth can be told from it")
    return round(min(max(one.at(seconds, quantile) / one.now, LEAST_FACTOR), MOST_FACTOR), 2)


def _violations(
    inquiry: Inquiry,
    answer: Answer,
    forecasts: Sequence[Forecast],
    ahead: Sequence[float],
    found: Mapping[tuple[float, float], VariantAnswer],
) -> tuple[Violation, ...]:
    now = {(one.level, one.subject): one for one in answer.baseline.predictions}
    violations = []
    for key, base in now.items():
        if base.verdict in ("breaks", "cut off"):
            continue
        less = KPIS[base.kpi].bad == "down"
        if len(forecasts) == 1:
            when = _by_demand(forecasts[0], base, found, less_is_bad=less, horizon_s=ahead[-1])
        else:
            first = None if base.predicted is None else base.predicted.mean
            values = {
                quantile: [first, *(_decides(found[seconds, quantile], key) for seconds in ahead)]
                for quantile in QUANTILES
            }
            when = crossing([0.0, *ahead], values, base.limit, less_is_bad=less)
        if when is not None:
            moment = when.expected if when.expected is not None else when.early
            quantile = QUANTILES[1] if when.expected is not None else QUANTILES[-1]
            later = next((one for one in ahead if one >= moment), ahead[-1])
            link = _to_blame(inquiry, found[later, quantile], base.subject)
            violations.append(
                Violation(level=base.level, subject=base.subject, kpi=base.kpi, limit=base.limit, when=when, link=link)
            )
    return tuple(sorted(violations, key=_soonest))


def _by_demand(
    one: Forecast,
    base: Prediction,
    found: Mapping[tuple[float, float], VariantAnswer],
    *,
    less_is_bad: bool,
    horizon_s: float,
) -> Crossing | None:
    runs: dict[float, float | None] = {1.0: None if base.predicted is None else base.predicted.mean}
    for (seconds, quantile), variant in found.items():
        if variant.runs or variant.cut:
            runs[_growth(one, seconds, quantile)] = _decides(variant, (base.level, base.subject))
    limit = breaking_demand(list(runs.items()), base.limit, less_is_bad=less_is_bad)
    if limit is None:
        return None
    moments = [horizon_s * number / _FINE for number in range(_FINE + 1)]
    growths = {quantile: [one.at(moment, quantile) / one.now for moment in moments] for quantile in QUANTILES}
    return crossing(moments, growths, limit)


def _soonest(one: Violation) -> tuple[bool, float, str, str]:
    when = one.when
    return when.expected is None, when.early if when.expected is None else when.expected, one.level, one.subject


def _decides(variant: VariantAnswer, key: tuple[str, str]) -> float | None:
    for one in variant.predictions:
        if (one.level, one.subject) == key:
            return None if one.predicted is None else one.predicted.mean
    return None


def _to_blame(inquiry: Inquiry, variant: VariantAnswer, subject: str) -> str:
    way = inquiry.directions.get(subject)
    used = [one for one in variant.links if way is None or one.direction in way]
    return max(used, key=lambda one: (one.utilisation, one.loss)).direction if used else ""


def _headline(violations: Sequence[Violation], broken: Sequence[str], horizon_s: float, answer: Answer) -> str:
    if violations:
        return violation_words(violations[0])
    if broken:
        return f"{len(broken)} service levels are broken already; no other will be within {duration_words(horizon_s)}"
    if not answer.baseline.predictions:
        return "no service level could be judged"
    return f"every service level holds for the next {duration_words(horizon_s)}, also at the higher quantile of demand"


def violation_words(one: Violation) -> str:
    """``chi>ind breaks responsive on a→b in 3 h 40 min (80 %: 2 h 50 min – 5 h)``."""
    who = one.link or "the network"
    when = one.when
    if when.expected is None:
        return (
            f"{who} may break {one.level} on {one.subject}, at the earliest in {duration_words(when.early)} (1 in 10)"
        )
    late = "later than forecast" if when.late is None else duration_words(when.late)
    span = f"80 %: {duration_words(when.early)} – {late}"
    return f"{who} breaks {one.level} on {one.subject} in {duration_words(when.expected)} ({span})"


def duration_words(seconds: float) -> str:
    """``3 h 40 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    words = [f"{days} d"] * bool(days) + [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(words[:2])
