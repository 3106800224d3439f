"""The part of the page for whoever decides: what, where, since when, what to do, what it gains.

In: a result and its plots.  Out: sections.  Never: a term left unexplained that only engineers know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shadowlab.report.choice import affected_paths
from shadowlab.report.markup import (
    Html,
    badge,
    facts,
    figure,
    folded,
    items,
    join,
    long_table,
    prose,
    section,
    table,
    tag,
    text,
)
from shadowlab.report.words import (
    NOTHING,
    indicator,
    measured,
    moment,
    number,
    percent,
    plural,
    taken_back,
    void_windows,
)

if TYPE_CHECKING:
    from shadowlab.model.level import ServiceLevel
    from shadowlab.model.result import PathSummary, RunResult
    from shadowlab.model.verdict import CureOutcome
    from shadowlab.report.figure import Plot

QUESTIONS = ("What happens", "Where", "Since when", "What to do", "What it gains")
_KINDS = {"event": "Event", "planned": "Planned work", "onset": "Onset", "detected": "Detected", "localised": "Located"}
_STEPS_IN_VIEW = 12
"""More are folded away, of the best cure too: they would hide what follows."""
_SHOWN_KPIS = ("latency_ms", "latency_p95_ms", "loss", "throughput_mbps", "retransmission_share")


def headline(result: RunResult) -> Html:
    """Title, judgement and the five answers."""
    broken = sum(not one.holds for one in result.levels_after)
    levels = len(result.levels_after)
    badges = [
        badge(f"{broken} of {plural(levels, 'service level')} broken", "bad")
        if broken
        else badge("all service levels hold" if levels else "no service levels judged", "good" if levels else "plain")
    ]
    if result.expectations:
        met = sum(result.expectations.values())
        badges.append(
            badge(
                f"{met} of {plural(len(result.expectations), 'expectation')} met",
                "good" if met == len(result.expectations) else "bad",
            )
        )
    doubt = ""
    if not result.provenance.valid:
        badges.append(badge("run is void", "bad"))
        doubt = tag("p", tag("strong", "Do not act on this run. "), result.provenance.validity, class_="doubt")
    elif result.provenance.void_windows_ns:
        badges.append(badge(f"void windows: {void_windows(result.provenance)}", "plain"))
    title = result.headline or result.title or result.scenario
    return Html(
        '<header class="top">'
        + join(
            tag("p", f"ShadowLab report · {result.title or result.scenario}", class_="eyebrow"),
            tag("h1", prose(title)),
            tag("p", *badges, class_="badges"),
            doubt,
            _answers(result),
            _tiles(result),
        )
        + "</header>"
    )


def _answers(result: RunResult) -> Html | str:
    if len(result.conclusions) != len(QUESTIONS):
        return items(map(prose, result.conclusions)) if result.conclusions else ""
    pairs = zip(QUESTIONS, result.conclusions, strict=True)
    cards = "".join(
        f"<div><dt>{text(question)}</dt><dd>{prose(answer.removeprefix(question + ': '))}</dd></div>"
        for question, answer in pairs
    )
    return Html(f'<dl class="answers">{cards}</dl>')


def _tiles(result: RunResult) -> Html:
    """The figures worth remembering."""
    tiles = [(plural(len(affected_paths(result)), "path"), f"affected, of {len(result.paths)}")]
    if result.anomalies:
        first = min(one.detected_ns for one in result.anomalies) - min(one.onset_ns for one in result.anomalies)
        tiles.append((moment(first), "from onset to detection"))
    if result.fault_domain:
        tiles.append((_round(result.fault_domain.confidence), "confidence in the location"))
    if result.cures and result.cures[0].recovered > 0:
        tiles.append((_round(result.cures[0].recovered), f"mended by {result.cures[0].cure}"))
    cells = "".join(f"<li><strong>{text(value)}</strong> <span>{text(label)}</span></li>" for value, label in tiles)
    return Html(f'<ul class="tiles">{cells}</ul>')


def _round(share: float) -> str:
    return percent(share).replace(".0 %", " %")


def map_section(plots: Mapping[str, Plot]) -> Html:
    """Where it happens."""
    return section("map", "Where it happens", figure(plots["map"], titled=False)) if "map" in plots else Html("")


def timeline_section(result: RunResult) -> Html:
    """When it happens."""
    entries = "".join(
        f'<li class="{entry.kind}"><span class="when">{moment(entry.at_ns)}</span> '
        f"<strong>{_KINDS[entry.kind]}</strong> <span>{text(entry.text)}</span></li>"
        for entry in sorted(result.timeline, key=lambda one: one.at_ns)
    )
    body: Html = (
        Html(f'<ol class="timeline">{entries}</ol>') if entries else tag("p", "Nothing happened.", class_="none")
    )
    return section(
        "timeline", "When it happens", body, lead=f"Counted from the start of a run of {moment(result.duration_ns)}."
    )


def cures_section(result: RunResult, plots: Mapping[str, Plot]) -> Html:
    """What can be done: every candidate as it was rehearsed."""
    if not result.cures:
        return section(
            "cures", "What can be done", tag("p", "Nothing was broken, so no cure was rehearsed.", class_="none")
        )
    rows = [_cure_row(one, best=one.rank == result.cures[0].rank) for one in result.cures]
    heads = ("Cure", "What it does", "Mended", "Still broken", "While it settles", "Harm", "Surely best", "Taken back")
    return section(
        "cures",
        "What can be done",
        figure(plots["cures"], titled=False) if "cures" in plots else "",
        table("Cures, best first", heads, rows, right=(2, 3, 4, 5, 6, 7)),
        tag(
            "p",
            "Mended: the share of what is broken when nothing is done. Harm: levels that held on a path and broke "
            "with the cure. Surely best: in how many of 1000 draws of the promises it is the best. Taken back: what is "
            "broken after it was undone.",
            class_="note",
        ),
        *[_cure_steps(one, best=one.rank == result.cures[0].rank) for one in result.cures[:10]],
        lead="Each candidate was carried out in a shadow of the incident of its own, and measured.",
    )


def _cure_row(one: CureOutcome, *, best: bool) -> tuple[object, ...]:
    """One that failed, or could not be tried, has no figures."""
    if one.note:
        name = join(tag("span", one.cure), badge("not counted", "bad"))
        return (name, f"{one.summary} ({one.note})", *[NOTHING] * 6)
    return (
        join(tag("span", one.cure), badge("best", "good") if best else ""),
        one.summary,
        percent(one.recovered),
        percent(one.broken_share),
        percent(one.transient_share),
        "none" if one.harm == 0 else plural(one.harm, "level"),
        percent(one.best_probability),
        taken_back(one),
    )


def _cure_steps(cure: CureOutcome, *, best: bool) -> Html:
    worst = "; ".join(f"{name} {number(value)}" for name, value in sorted(cure.worst.items()))
    pairs: list[tuple[str, object]] = [
        ("Steps", items(cure.steps, ordered=True)),
        ("Roll-back", items(cure.roll_back, ordered=True)),
    ]
    pairs += [("Worst path, median", worst)] if worst else []
    pairs += [("Severity, mean excess over the limits", percent(cure.severity))]
    if cure.harm_probability:
        pairs.append(("Worse than doing nothing", f"in {percent(cure.harm_probability)} of the draws"))
    pairs += [("To be expected", items(cure.warnings))] if cure.warnings else []
    pairs += [("Failed on the way back", items(cure.roll_back_failures))] if cure.roll_back_failures else []
    pairs += [("Course", "a short one, by which it was clearly behind")] if cure.short else []
    pairs += [(term, number(value)) for term, value in sorted(cure.terms.items())]
    pairs += [("Note", cure.note)] if cure.note else []
    return folded(
        f"{cure.cure}: steps and roll-back", facts(pairs), unfolded=best and len(cure.steps) <= _STEPS_IN_VIEW
    )


def paths_section(result: RunResult, plots: Mapping[str, Plot]) -> Html:
    """Who is affected, before and after."""
    affected = affected_paths(result)
    summaries = {one.path: one for one in result.path_summaries}
    known = [summaries[path] for path in affected if path in summaries]
    kpis = [kpi for kpi in _SHOWN_KPIS if any(kpi in one.before or kpi in one.after for one in known)]
    rows = [(one.path, one.flows, *(_change(one, kpi) for kpi in kpis)) for one in known]
    heads = ("Path", "Flows", *(indicator(kpi)[0].upper() + indicator(kpi)[1:] for kpi in kpis))
    series = [
        figure(plots[name])
        for name in ("latency-p95-ms", "loss", "throughput-mbps", "retransmission-share")
        if name in plots
    ]
    return section(
        "paths",
        "Who is affected",
        long_table(
            "Affected paths: medians before → after the event",
            heads,
            rows,
            right=range(1, len(heads)),
            empty="No path left its baseline.",
        ),
        Html(f'<div class="multiples">{join(*series)}</div>') if series else "",
    )


def _change(summary: PathSummary, kpi: str) -> Html:
    nan = float("nan")
    before, after = measured(kpi, summary.before.get(kpi, nan)), measured(kpi, summary.after.get(kpi, nan))
    unit = before.rpartition(" ")[2]
    if before.endswith(f" {unit}") and after.endswith(f" {unit}"):
        before = before.removesuffix(f" {unit}")
    return Html(f"{text(before)} → {text(after)}")


def levels_section(result: RunResult, levels: Sequence[ServiceLevel]) -> Html:
    """What was promised, and what is kept.  ``levels`` say in which unit."""
    kpis = {level.name: level.kpi for level in levels}
    before = {(one.level, one.path): one for one in result.levels_before}
    ordered = sorted(result.levels_after, key=lambda one: (one.holds, -one.broken_share, one.level, one.path))
    rows = []
    for one in ordered:
        earlier = before.get((one.level, one.path))
        rows.append(
            (
                one.path,
                one.level,
                badge("holds", "good") if one.holds else badge("broken", "bad"),
                *(
                    measured(kpis.get(one.level, ""), value)
                    for value in (one.limit, earlier.median if earlier else float("nan"), one.median, one.worst)
                ),
                percent(one.broken_share),
                one.samples,
            )
        )
    heads = ("Path", "Level", "After", "Limit", "Median before", "Median after", "Worst", "Broken", "Windows")
    totals = {
        level: [one for one in result.levels_after if one.level == level]
        for level in sorted({one.level for one in ordered})
    }
    lead = "; ".join(
        f"{level}: {sum(one.holds for one in found)} of {len(found)} paths hold" for level, found in totals.items()
    )
    return section(
        "levels",
        "What was promised",
        long_table(
            "Service levels after the event, broken ones first",
            heads,
            rows,
            right=range(3, 9),
            empty="The scenario names no service level.",
        ),
        lead=lead + "." if lead else "",
    )
