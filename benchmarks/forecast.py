"""Forecasts of demand on days that were held out: error, coverage, lead time before a violation, false predictions.

Series: made ones (daily and weekly course, growth, noise, a level change, gaps, odd days), and any CSV file given
as ``python -m benchmarks.forecast FILE``.  A limit stands for the demand at which a service level breaks (what
``shadowlab headroom`` finds): the 95 % point of the held-out demand, so that a few hours of each week break it.  Every
hour and a half of the held-out days a forecast of six hours is made from the past alone.  It predicts a violation if
the median crosses the limit, and is sure of it (an alarm) if the lower end of the 80 % interval does.  A
violation's lead time is how long before its onset a prediction of it stood without
being withdrawn; a false prediction is a run of predictions after which the limit was not crossed within the horizon.
Parameters were chosen on other seeds than those measured here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import report
from shadowlab.lab.ahead.history import read_csv_history
from shadowlab.predict.forecast.backtest import forecast
from shadowlab.predict.forecast.models import MODELS, Model, SeasonalNaive, library
from shadowlab.predict.forecast.series import DemandSeries

STEP_S = 1800.0
DAY = round(86_400 / STEP_S)
TRAIN_DAYS, HELD_DAYS = 21, 7
HORIZON_S = 6 * 3600.0
SEEDS = (101, 102)
STRIDE = 3
"""A forecast is made every so many steps."""


def made(kind: str, seed: int) -> DemandSeries:
    """A series of four weeks."""
    rng = np.random.default_rng(seed)
    count = (TRAIN_DAYS + HELD_DAYS) * DAY
    days = np.arange(count) / DAY
    week = np.where(days.astype(int) % 7 >= 5, 0.75, 1.0)
    values = 40 * (1 + 0.5 * np.sin(2 * np.pi * (days - 0.35)) + 0.15 * np.sin(4 * np.pi * days)) * week
    values *= 1 + (0.015 if kind == "growing" else 0.003) * days
    if kind == "level change":
        values[(TRAIN_DAYS - 4) * DAY :] *= 1.5
    if kind == "odd days":
        for day in rng.choice(TRAIN_DAYS, 3, replace=False):
            values[day * DAY : (day + 1) * DAY] *= 0.5
    noise = np.empty(count)
    level = 0.0
    for index, shock in enumerate(rng.normal(0, 0.03, count)):
        level = 0.7 * level + shock
        noise[index] = level
    values *= np.exp(noise)
    if kind == "gaps":
        for begin in rng.integers(0, TRAIN_DAYS * DAY, 6):
            values[begin : begin + 10] = np.nan
    return DemandSeries(name=kind, start_s=1.7e9, step_s=STEP_S, values=values)


def measured(series: DemandSeries, models: list[Model], held: int) -> Iterator[tuple[str, float]]:
    """The figures of one series whose last ``held`` steps are held out."""
    values = series.values
    first = len(values) - held
    limit = float(np.nanquantile(values[first:], 0.95))
    steps = round(HORIZON_S / series.step_s)
    errors, inside = [], []
    predicted: dict[int, int | None] = {}
    sure: dict[int, int | None] = {}
    for now in range(first, len(values) - 1, STRIDE):
        past = DemandSeries(name=series.name, start_s=series.start_s, step_s=series.step_s, values=values[:now])
        found = forecast(past, models, HORIZON_S)
        truth = values[now : now + steps]
        middle = found.quantiles[0.5][: len(truth)]
        seen = ~np.isnan(truth)
        errors.append(np.abs(middle - truth)[seen] / limit)
        low, high = found.quantiles[0.1][: len(truth)], found.quantiles[0.9][: len(truth)]
        inside.append(((truth >= low) & (truth <= high))[seen])
        for quantile, of in ((0.5, predicted), (0.1, sure)):
            ahead = np.flatnonzero(found.quantiles[quantile] > limit)
            of[now] = now + int(ahead[0]) if ahead.size else None
    yield "error, share of the limit", float(np.concatenate(errors).mean())
    yield "coverage of the 80 % interval", float(np.concatenate(inside).mean())
    leads, violations, false, made_ = lead_times(values, limit, predicted, first, steps, series.step_s)
    yield "violations", float(violations)
    yield "found ahead", float(len(leads))
    yield "median lead, min", float(np.median(leads)) if leads else float("nan")
    yield "predictions", float(made_)
    yield "false predictions", float(false)
    leads, _, false, made_ = lead_times(values, limit, sure, first, steps, series.step_s)
    yield "alarms", float(made_)
    yield "false alarms", float(false)
    yield "found by alarms", float(len(leads))
    yield "median lead of alarms, min", float(np.median(leads)) if leads else float("nan")


def lead_times(
    values: np.ndarray, limit: float, predicted: dict[int, int | None], first: int, steps: int, step_s: float
) -> tuple[list[float], int, int, int]:
    """Lead times in minutes of the violations found ahead, how many violations there were, how many runs of predictions
    were false, how many runs there were."""
    broken = np.nan_to_num(values, nan=0.0) > limit
    # A violation is calm before: nothing was broken in the hour before its onset.
    calm = max(1, round(3600 / step_s))
    onsets = [
        one for one in range(first + calm, len(values)) if broken[one] and not broken[max(0, one - calm) : one].any()
    ]
    leads = []
    moments = sorted(predicted)
    for onset in onsets:
        standing = None
        for now in reversed([one for one in moments if onset - steps <= one < onset]):
            if predicted[now] is None:
                break
            standing = now
        if standing is not None:
            leads.append((onset - standing) * step_s / 60)
    runs = false = 0
    before = False
    for now in moments:
        alarm = predicted[now] is not None and not broken[now - 1]
        if alarm and not before and now + steps <= len(values):
            runs += 1
            false += not broken[now : now + steps].any()
        before = alarm
    return leads, len(onsets), false, runs


def main() -> None:
    extra = library()
    choices: dict[str, list[Model]] = {"seasonal-naive alone": [SeasonalNaive()], "chosen by back-test": list(MODELS)}
    if extra is not None and "--library" in sys.argv:
        choices["chosen, library among them"] = [*MODELS, extra]
    files = [Path(one) for one in sys.argv[1:] if not one.startswith("--")]
    given = [one for path in files for one in read_csv_history(path, None)]
    for name, models in choices.items():
        pooled: dict[str, list[float]] = {}
        for kind in ("plain", "growing", "level change", "gaps", "odd days"):
            rows: dict[str, list[float]] = {}
            for seed in SEEDS:
                for what, value in measured(made(kind, seed), models, HELD_DAYS * DAY):
                    rows.setdefault(what, []).append(value)
            for what, some in rows.items():
                pooled.setdefault(what, []).extend(some)
            tell(f"{name}: {kind}", rows)
        tell(f"{name}: all made series", pooled)
        for series in given:
            rows = {what: [value] for what, value in measured(series, models, len(series.values) // 4)}
            tell(f"{name}: {series.name}", rows)


def tell(what: str, rows: dict[str, list[float]]) -> None:
    """One JSON line."""
    leads = [one for one in rows["median lead, min"] if not np.isnan(one)] or [0.0]
    report(benchmark=f"forecast, {what}", unit="min of lead", values=leads, target=30.0, **figures(rows))


def figures(rows: dict[str, list[float]]) -> dict[str, float]:
    """Sums of counts, means of the rest."""
    counted = (
        "violations",
        "found ahead",
        "predictions",
        "false predictions",
        "alarms",
        "false alarms",
        "found by alarms",
    )
    found = {
        what.replace(",", "").replace(" ", "_").replace("%", "percent"): round(
            float(sum(some)) if what in counted else float(np.nanmean(some)), 3
        )
        for what, some in rows.items()
    }
    found["false_share"] = round(found["false_predictions"] / max(1.0, found["predictions"]), 3)
    found["false_alarm_share"] = round(found["false_alarms"] / max(1.0, found["alarms"]), 3)
    return found


if __name__ == "__main__":
    main()
