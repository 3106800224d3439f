"""The part of the page that holds the shadow against production: the verdict, its evidence, how true the shadow is.

In: a result.  Out: a section.  Never: a score without what it is a multiple of.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from shadowlab.report.markup import Html, badge, items, long_table, section, table, tag
from shadowlab.report.words import NOTHING, indicator, measured, number, percent, plural

if TYPE_CHECKING:
    from shadowlab.model.result import RunResult
    from shadowlab.model.verdict import Correlation, Fidelity

_STANDINGS = {"true": "good", "doubtful": "plain", "not to be trusted": "bad", "unknown": "plain"}
_KINDS = {"confirmed": "good", "demand moved": "plain", "unsure": "plain", "not compared": "plain"}


def correlation_section(result: RunResult) -> Html:
    """Whether production says the same, what accounts for it, and how far the shadow may be believed."""
    found = result.correlation
    rows = [
        (
            one.path,
            indicator(one.kpi),
            measured(one.kpi, one.production),
            measured(one.kpi, one.shadow),
            number(one.noise),
            _times(one.score),
            badge("agrees", "good") if one.agrees else badge("differs", "bad"),
            one.records,
        )
        for one in sorted(found.agreements, key=lambda one: (one.agrees, one.path, one.kpi))
    ]
    heads = ("Path", "Indicator", "Production", "Shadow", "Allowance", "Fidelity", "Verdict", "Records")
    share = f"{percent(found.share_agreeing)} of {plural(len(rows), 'comparison')} agree. " if rows else ""
    return section(
        "correlation",
        "Shadow against production",
        tag("p", badge(found.verdict, _KINDS.get(found.verdict, "bad")), " ", share, found.why),
        *_fidelity(found),
        *_accounts(found),
        long_table(
            "Path by path after the event, differences first",
            heads,
            rows,
            right=(2, 3, 4, 5, 7),
            empty="No production telemetry after the event was given.",
        ),
    )


def _fidelity(found: Correlation) -> list[Html]:
    whole = found.whole
    if whole is None:
        return []
    words = f" The shadow is {_times(whole.score)} times as far from production as a second run of production would be"
    worst = f", worst in {whole.worst} ({_times(whole.worst_score)})" if whole.worst else ""
    kpis, paths, links = ([one for one in found.fidelity if one.kind == kind] for kind in ("kpi", "path", "link"))
    heads = ("Subject", "Fidelity", "Standing", "Values", "Furthest off", "by")
    parts = [
        tag("h3", "Fidelity"),
        tag("p", badge(whole.standing, _STANDINGS[whole.standing]), words, worst, "."),
        table("Fidelity per indicator", heads, [_row(one) for one in kpis], right=(1, 3, 5)),
        long_table("Fidelity per path", heads, [_row(one) for one in _worst_first(paths)], right=(1, 3, 5)),
        long_table("Fidelity per link", heads, [_row(one) for one in _worst_first(links)], right=(1, 3, 5)),
    ]
    if found.advice:
        parts += [tag("p", "What would help:"), items(found.advice)]
    return parts


def _worst_first(some: list[Fidelity]) -> list[Fidelity]:
    return sorted(some, key=lambda one: (math.isnan(one.score), -one.score if math.isfinite(one.score) else 0.0))


def _row(one: Fidelity) -> tuple[object, ...]:
    name = indicator(one.subject) if one.kind == "kpi" else one.subject
    worst = indicator(one.worst) if one.kind == "path" and one.worst else one.worst or NOTHING
    standing = badge(one.standing, _STANDINGS[one.standing])
    return (name, _times(one.score), standing, one.values, worst, _times(one.worst_score))


def _accounts(found: Correlation) -> list[Html]:
    if not found.hypotheses:
        return []
    rows = [
        (one.name, one.verdict, number(one.bic) if math.isfinite(one.bic) else NOTHING, "; ".join(one.parameters))
        for one in found.hypotheses
    ]
    return [
        tag("h3", "What accounts for the change"),
        table(
            "Accounts of production's change, the best first", ("Account", "Verdict", "BIC", "Finds"), rows, right=(2,)
        ),
    ]


def _times(score: float) -> str:
    return f"{score:.1f}" if math.isfinite(score) else NOTHING
