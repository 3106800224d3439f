"""The campaign's tables, as Markdown.

In: rows.  Out: text.  Never: a figure without how many cases it stands on.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.faulted.draw import BASELINE_NS, DURATION_NS, HARD, KINDS, NO_FAULT
from benchmarks.faulted.intervals import calibration, median_interval, rate_interval, wilson
from benchmarks.faulted.judged import PANEL, REFERENCE

Row = Mapping[str, Any]
_DAY_S = 86_400.0
_RANDOM_LOSS = ("random", "asymmetric", "node", "srg", "two")
_WATCHED_S = (DURATION_NS - BASELINE_NS[1]) / 1e9


def tables(rows: Sequence[Row]) -> str:
    """All of them, for the rows of all methods."""
    ours = [one for one in rows if one["method"] == PANEL]
    parts = [_by_kind(ours, "kind", [one for one in KINDS if one not in NO_FAULT])]
    parts += [_by_kind(ours, "topology", sorted({str(one["topology"]) for one in ours}))]
    parts += [_aims(ours), _detectors(rows), _methods(rows), _no_fault(rows), _full_links(ours), _calibration(ours)]
    return "\n\n".join(part for part in parts if part)


def _share(right: int, of: int) -> str:
    if not of:
        return "–"
    low, high = wilson(right, of)
    return f"{100 * right / of:.0f} ({100 * low:.0f}–{100 * high:.0f})"


def _seconds(values: Sequence[float]) -> str:
    if not values:
        return "–"
    low, high = median_interval(values)
    return f"{statistics.median(values):.1f} ({low:.1f}–{high:.1f})"


def _markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(one)} |" for one in body)])


def _faults(rows: Iterable[Row]) -> list[Row]:
    return [one for one in rows if one["fault"] and one.get("seen", True)]


def _by_kind(rows: Sequence[Row], key: str, names: Sequence[str]) -> str:
    body = []
    for name in [*names, "all"]:
        some = [one for one in _faults(rows) if name in ("all", one[key])]
        if not some:
            continue
        typed = [one for one in some if one["type"] is not None]
        sizes = [one["class"] for one in some if one["class"]]
        body.append([
            name,
            str(len(some)),
            _share(sum(one["detected"] for one in some), len(some)),
            _seconds([one["detect_s"] for one in some if one["detected"]]),
            _share(sum(one["top1"] for one in some), len(some)),
            _share(sum(one["top3"] for one in some), len(some)),
            _share(sum(one["parts_found"] for one in some), sum(one["parts"] for one in some)),
            f"{statistics.mean(sizes):.1f}" if sizes else "–",
            _share(sum(one["type"] for one in typed), len(typed)),
        ])  # fmt: skip
    head = [key, "cases", "noticed, %", "after, s", "top-1, %", "top-3, %", "parts named, %", "class", "type right, %"]
    return _markdown(head, body)


def _aims(rows: Sequence[Row]) -> str:
    """What is aimed at by size: hard faults, and random losses of links, nodes and groups."""

    def lossy(one: Row) -> float:
        return float(one["size"].get("loss", 0.0)) if one["kind"] in _RANDOM_LOSS else 0.0

    groups = [
        ("hard: black hole, loop, flap", [one for one in _faults(rows) if one["kind"] in HARD], "2 s"),
        ("loss of 0.5 to 1 %", [one for one in _faults(rows) if 0.005 <= lossy(one) < 0.01], "15 s; 95 / 99 %"),
        ("loss of 0.5 % and more", [one for one in _faults(rows) if lossy(one) >= 0.005], "95 / 99 %"),
        ("gray: ports of one flow at least", [one for one in _faults(rows) if one["kind"] == "gray"], "85 / 95 %"),
    ]
    body = [
        [
            name,
            str(len(some)),
            _share(sum(one["detected"] for one in some), len(some)),
            _seconds([one["detect_s"] for one in some if one["detected"]]),
            _share(sum(one["top1"] for one in some), len(some)),
            _share(sum(one["top3"] for one in some), len(some)),
            aim,
        ]
        for name, some, aim in groups
        if some
    ]
    head = ["by size", "cases", "noticed, %", "after, s", "top-1, %", "top-3, %", "aim: median time; top-1 / top-3"]
    return _markdown(head, body) if body else ""


def _detectors(rows: Sequence[Row]) -> str:
    """Alerts: how many are right, how many paths that are hit raise one, and what is false where nothing happens."""
    body = []
    for name in (PANEL, REFERENCE):
        own = [one for one in rows if one["method"] == name]
        some = _faults(own)
        raised, right = sum(one["alerts"] for one in some), sum(one["right"] for one in some)
        body.append([
            name,
            _share(sum(one["detected"] for one in some), len(some)),
            _seconds([one["detect_s"] for one in some if one["detected"]]),
            _share(right, raised),
            _share(sum(one["alerted"] for one in some), sum(one["hit"] for one in some)),
            *(_false(own, kinds) for kinds in (("quiet",), ("load", "drift"))),
        ])  # fmt: skip
    head = ["detector", "noticed, %", "after, s", "precision per alert, %", "recall per path, %"]
    return _markdown([*head, "false a day per 100 paths: quiet", "load steps and drift"], body)


def _false(rows: Sequence[Row], kinds: Sequence[str]) -> str:
    """Per day and hundred paths; of quiet time also what faults were awaited in."""
    alerts, days = 0, 0.0
    for one in rows:
        if one["kind"] in kinds:
            alerts, seconds = alerts + one["alerts"], _WATCHED_S
        elif "quiet" in kinds and one["fault"]:
            alerts, seconds = alerts + one["early"], one["quiet_s"]
        else:
            continue
        days += seconds * one["paths"] / 100 / _DAY_S
    if not days:
        return "–"
    low, high = rate_interval(alerts, days)
    return f"{alerts / days:.0f} ({low:.0f}–{high:.0f}; {alerts} in {24 * 60 * days:.1f} min)"


def _methods(rows: Sequence[Row]) -> str:
    """Localisers on the same evidence, over faults that lose packets and over all."""
    losing = ("random", "gray", "policer", "blackhole", "loop", "flap", "node", "srg", "two")
    body = []
    for name in sorted({str(one["method"]) for one in rows} - {REFERENCE}, key=lambda one: (one != PANEL, one)):
        own = [one for one in rows if one["method"] == name and one["noticed"]]
        cells = ["ours" if name == PANEL else name]
        for kinds in (losing, tuple(KINDS)):
            some = [one for one in _faults(own) if one["kind"] in kinds]
            cells += [
                _share(sum(one["top1"] for one in some), len(some)),
                _share(sum(one["named_right"] for one in some), sum(one["named"] for one in some)),
                _share(sum(one["parts_found"] for one in some), sum(one["parts"] for one in some)),
            ]
        none = [one for one in own if not one["fault"]]
        body.append([*cells, _share(sum(one["named"] > 0 for one in none), len(none))])
    words = ["top-1, %", "precision, %", "recall, %"]
    head = ["method", *(f"losing: {one}" for one in words), *(f"all: {one}" for one in words)]
    return _markdown([*head, "blames where no link is at fault, %"], body)


def _no_fault(rows: Sequence[Row]) -> str:
    body = []
    for kind in NO_FAULT:
        cells = [kind]
        for name in (PANEL, REFERENCE):
            some = [one for one in rows if one["method"] == name and one["kind"] == kind]
            cells += [str(len(some))] if name == PANEL else []
            cells += [_share(sum(one["alerts"] > 0 for one in some), len(some))]
            cells += [_share(sum(one["named"] > 0 for one in some), len(some))]
        body.append(cells)
    words = [f"{name}: {word}, %" for name in (PANEL, REFERENCE) for word in ("alerts", "blames")]
    return _markdown(["no fault", "cases", *words], body)


def _full_links(rows: Sequence[Row]) -> str:
    """Links that filled up: they are told beside the verdict, and blame nobody."""
    body = []
    for kind in KINDS:
        some = [one for one in rows if one["kind"] == kind]
        total = sum(one["full"] for one in some)
        if total:
            with_one = _share(sum(one["full"] > 0 for one in some), len(some))
            right = "–" if kind in NO_FAULT else _share(sum(one["full_right"] for one in some), total)
            body.append(
                [kind, str(len(some)), with_one, str(total), right, str(sum(one["full_early"] for one in some))]
            )
    head = ["links that fill up", "cases", "any, %", "directions", "at fault, %", "before the onset"]
    return _markdown(head, body) if body else ""


def _calibration(rows: Sequence[Row]) -> str:
    claims = [one for one in rows if one["claim"] is not None]
    brier, error, bins = calibration([one["confidence"] for one in claims], [one["claim"] for one in claims])
    body = [[f"{mean:.3f}", str(count), _share(right, count)] for mean, count, right in bins]
    words = f"Of {len(claims)} claims: Brier score {brier:.3f}, expected calibration error {error:.3f}."
    return _markdown(["stated confidence, mean", "claims", "right, %"], body) + f"\n\n{words}"
