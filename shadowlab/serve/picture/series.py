"""Indicators over time, as charts want them.

In: what a run measured, a question.  Out: a document with at most so many points, each the mean of a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from shadowlab.lab.recorded.folder import Recorded
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.model.result import RunResult
from shadowlab.model.units import NS_PER_S
from shadowlab.serve.picture.judged import after_ns, timeline
from shadowlab.serve.picture.shapes import (
    Band,
    Entry,
    Indicator,
    Indicators,
    Number,
    OneSeries,
    Promise,
    Recording,
    Series,
)
from shadowlab.serve.picture.source import SeriesWanted, UnknownError
from shadowlab.store.tables import unit_of
from shadowlab.store.window import Window

_BOOKKEEPING = ("void", "probes_sent")


def indicators_of(recorded: Recorded) -> Indicators:
    """What can be asked."""
    return Indicators(
        indicators=[indicator(one.name, one.subject) for one in recorded.listed() if one.name not in _BOOKKEEPING]
    )


def indicator(name: str, kind: str) -> Indicator:
    """Its document; of one that the registry does not know, the little that its name tells."""
    known = KPIS.get(name)
    return Indicator(
        kpi=name,
        kind=kind,
        unit=unit_of(name),
        bad=known.bad if known else None,
        meaning=known.meaning if known else "",
    )


def series_of(
    recorded: Recorded, wanted: SeriesWanted, result: RunResult | None, promised: Mapping[str, str]
) -> Series:
    """Raises UnknownError for a kind, subject or indicator that is not there."""
    check(recorded, wanted)
    table = recorded.ask(wanted.kpis, [wanted.subject], _window(recorded, wanted))[wanted.kind]
    times = table.times_ns / NS_PER_S
    step_ns = int(np.median(np.diff(table.times_ns))) if len(times) > 1 else None
    marks = [] if result is None else [one for one in timeline(result) if _inside(one, wanted)]
    return Series(
        kind=wanted.kind,
        subject=wanted.subject,
        clock="run",
        step_s=step_ns / NS_PER_S if step_ns else None,
        times_s=times.tolist(),
        series=[_one(recorded, wanted, table, name, result, promised) for name in wanted.kpis],
        marks=marks,
    )


def check(recorded: Recorded, wanted: SeriesWanted) -> None:
    """Raises UnknownError for what is not there."""
    if wanted.kind not in recorded.kinds:
        raise UnknownError(f"there are no series of a {wanted.kind[:40]!r}; there are {', '.join(recorded.kinds)}")
    if wanted.subject not in recorded.subjects(wanted.kind):
        raise UnknownError(f"there is no {wanted.kind} {wanted.subject[:80]!r}")
    known = {one.name for one in recorded.listed() if one.subject == wanted.kind}
    for name in wanted.kpis:
        if name not in known or name in _BOOKKEEPING:
            raise UnknownError(f"there is no indicator {name[:40]!r} of a {wanted.kind}")


def _window(recorded: Recorded, wanted: SeriesWanted) -> Window:
    until_ns = recorded.known_until_ns()
    first_ns = max(0, _ns(wanted.from_s)) if wanted.from_s is not None else 0
    last_ns = min(until_ns, _ns(wanted.to_s)) if wanted.to_s is not None else until_ns
    span_ns = max(0, last_ns - first_ns)
    seconds = max(1, math.ceil(span_ns / wanted.points / NS_PER_S))
    return Window(
        from_ns=first_ns,
        to_ns=max(first_ns, last_ns),
        every_ns=None if span_ns <= wanted.points * NS_PER_S else seconds * NS_PER_S,
    )


def _one(
    recorded: Recorded,
    wanted: SeriesWanted,
    table: SeriesTable,
    name: str,
    result: RunResult | None,
    promised: Mapping[str, str],
) -> OneSeries:
    about = indicator(name, wanted.kind)
    return OneSeries(
        kpi=name,
        unit=about.unit,
        bad=about.bad,
        meaning=about.meaning,
        shadow=_listed(table, name, wanted.subject),
        production=None if result is None else _production(result, wanted, name),
        baseline=None if result is None else _band(recorded, wanted, name, result),
        levels=[] if result is None else _promises(result, wanted.subject, name, promised),
    )


def _promises(result: RunResult, subject: str, name: str, promised: Mapping[str, str]) -> list[Promise]:
    return [
        Promise(level=one.level, limit=one.limit)
        for one in result.levels_after
        if one.path == subject and promised.get(one.level) == name
    ]


def _listed(table: SeriesTable, name: str, subject: str) -> list[Number]:
    return [None if math.isnan(one) else float(f"{one:.9g}") for one in table.column(name, subject).tolist()]


def _production(result: RunResult, wanted: SeriesWanted, name: str) -> Recording | None:
    """A run keeps of production one value per path for the time after the last event: a level line over it."""
    if wanted.kind != "path":
        return None
    found = next((one for one in result.correlation.agreements if one.path == wanted.subject and one.kpi == name), None)
    if found is None:
        return None
    span = (after_ns(result) / NS_PER_S, result.duration_ns / NS_PER_S)
    return Recording(times_s=list(span), values=[found.production, found.production])


def _band(recorded: Recorded, wanted: SeriesWanted, name: str, result: RunResult) -> Band | None:
    first, last = result.baseline_ns
    table = recorded.ask([name], [wanted.subject], Window(from_ns=first, to_ns=last)).get(wanted.kind)
    if table is None:
        return None
    values = table.column(name, wanted.subject)
    values = values[~np.isnan(values)]
    if values.size < 2:
        return None
    return Band(mean=float(values.mean()), deviation=float(values.std()), from_s=first / NS_PER_S, to_s=last / NS_PER_S)


def _inside(one: Entry, wanted: SeriesWanted) -> bool:
    return (wanted.from_s is None or one.at_s >= wanted.from_s) and (wanted.to_s is None or one.at_s <= wanted.to_s)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
