"""The network under the demand to come.

In: demand of the cycles so far, today's inputs.  Out: when which level breaks, how full links get; or why nothing is
known.  Never: a forecast from too short a past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shadowlab.errors import InputError
from shadowlab.lab.ahead.asked import Asked
from shadowlab.lab.ahead.crew import LocalCrew
from shadowlab.lab.ahead.foresee import Violation, foresee, violation_words
from shadowlab.lab.ahead.history import TOTAL
from shadowlab.lab.ahead.measuring import Runner, Store
from shadowlab.lab.ahead.whatif import Effort, Inquiry
from shadowlab.lab.scenario import Scenario
from shadowlab.lab.watch.stages.demand import Demand
from shadowlab.lab.watch.stages.shadows import Shadows
from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.cycle import Ahead
from shadowlab.predict.forecast.backtest import QUANTILES, forecast
from shadowlab.predict.forecast.models import MODELS
from shadowlab.predict.forecast.series import LEAST_VALUES, regular
from shadowlab.predict.scenario.grid import Variant


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """``utilisation`` by direction under the median at the horizon."""

    ahead: Ahead
    violations: tuple[Violation, ...] = ()
    utilisation: Mapping[str, float] | None = None


def foreseen(
    scenario: Scenario,
    demand: Demand,
    history: Sequence[tuple[float, float]],
    shadows: Shadows,
    *,
    factor: float,
    horizon_ns: int,
    promised: bool,
) -> Foreseen:
    """One run of the baseline and of each quantile of demand at the horizon."""
    horizon_s = horizon_ns / NS_PER_S
    if len(history) < LEAST_VALUES:
        words = f"no forecast yet: demand of {len(history)} of at least {LEAST_VALUES} cycles is known"
        return Foreseen(ahead=Ahead(horizon_s=horizon_s, headline=words))
    try:
        times, values = (np.array([one[index] for one in history], dtype=np.float64) for index in (0, 1))
        found = forecast(regular(TOTAL, times, values), MODELS, horizon_s)
        inquiry = Inquiry(
            Asked(scenario=replace(scenario, events=()), inputs=demand.inputs, promised=promised),
            Runner(
                place=shadows.place,
                crew=LocalCrew(
                    place=shadows.place,
                    scratch=shadows.scratch,
                    interrupted=shadows.interrupt.asked,
                    progress=shadows.progress,
                ),
                interrupt=shadows.interrupt,
                store=Store(),
            ),
            Effort(least_runs=1, most_runs=1, scale=factor),
        )
        known = foresee(inquiry, [found], horizon_s=horizon_s, moments=1, on_round=lambda number, runs: None)
        middle = next(one for one in known.points if one.quantile == QUANTILES[1])
        growth = middle.growth[TOTAL]
        variants = [Variant(scenarios=({"growth": growth},))] if growth != 1.0 else []
        answer = inquiry.answer(variants)
    except (InputError, ValueError) as error:
        return Foreseen(ahead=Ahead(horizon_s=horizon_s, headline=f"no forecast: {error}"))
    links = (answer.variants[0] if variants else answer.baseline).links
    return Foreseen(
        ahead=Ahead(
            horizon_s=horizon_s,
            headline=known.headline,
            growth={f"{one.quantile:g}": one.growth[TOTAL] for one in known.points},
            violations=tuple(violation_words(one) for one in known.violations),
            model=found.model,
        ),
        violations=known.violations,
        utilisation={one.direction: one.utilisation for one in links if one.utilisation == one.utilisation},
    )
