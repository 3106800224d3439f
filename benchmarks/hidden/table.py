"""The rows of all cases as a table.

In: rows of figures.  Out: text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.hidden.measured import KPIS
from benchmarks.hidden.produce import Grounds
from benchmarks.hidden.what_if import COUNTS, PROMISED

Row = dict[str, object]
_SHORT = {
    "goodput_mbps": "goodput",
    "srtt_p50_ms": "srtt p50",
    "srtt_p95_ms": "srtt p95",
    "retransmission_share": "retrans.",
    "completion_p50_ms": "fct p50",
    "completion_p99_ms": "fct p99",
}
_TARGETS: Mapping[str, tuple[float, float, float]] = {
    "delay_ms": (0.02, 0.2, 1e-3),
    "rate_mbps": (0.05, 0.0, 1e-3),
    "loss": (0.5, 0.0, 1e-3),
}
"""Of a link's property: the share of the truth and the absolute difference an error may have, and the value that errors
are relative to where the truth is less.  Most links lose nothing; half a minute hardly tells 1 in 1000 from that."""


def table(rows: Sequence[Row], ground: Grounds) -> str:
    """Medians over the cases, by stage and by who predicted; then what the calibration recovered."""
    lines = [f"production on Linux {ground.production.version}, shadow on {ground.shadow.description}", ""]
    header = ["stage", "who", "cases", "error", "worst", "÷ noise", "coverage", *(_SHORT[name] for name in KPIS)]
    body: list[list[str]] = []
    for stage in _once(_text(row["stage"]) for row in rows if "error" in row):
        for who in _once(_text(row["who"]) for row in rows if _text(row["stage"]) == stage):
            some = [row for row in rows if _text(row["stage"]) == stage and row.get("who") == who]
            body.append(
                [
                    stage,
                    who,
                    str(len(some)),
                    _percent(_of(some, "error")),
                    _percent(_of(some, "error"), worst=True),
                    _ratio(_of(some, "noise_ratio")),
                    _percent(_of(some, "coverage")),
                    *(_percent(_of(some, f"error_{name}")) for name in KPIS),
                ]
            )
    lines += _laid_out([header, *body])
    if any(row["stage"] == "links" for row in rows):
        lines += ["", *_laid_out(_links(rows))]
    if any(row["stage"] == "calibration" for row in rows):
        lines += ["", *_laid_out(_calibrations(rows))]
    if any(row["stage"] == "counterfactuals" for row in rows):
        lines += ["", *_laid_out(_edits(rows)), "", *_laid_out(_promises(rows)), "", *_laid_out(_edits_by_kind(rows))]
    if any(row["stage"] == "incidents" for row in rows):
        lines += ["", *_laid_out(_incidents(rows))]
    if any(row["stage"] == "calendar" for row in rows):
        lines += ["", *_laid_out(_calendars(rows))]
    return "\n".join(lines)


def _calibrations(rows: Sequence[Row]) -> list[list[str]]:
    found = [["calibrations of", "nodes", "refined", "runs each", "processor time without guests", "most"]]
    some = [row for row in rows if row["stage"] == "calibration"]
    for family in sorted({str(row["family"]) for row in some}):
        own = [row for row in some if row["family"] == family]
        runs, spent = [one for one in _of(own, "refining_runs") if one], _of(own, "processor_s")
        nodes = sorted(_of(own, "nodes"))
        found.append(
            [
                family,
                f"{nodes[0]:.0f}–{nodes[-1]:.0f}",
                f"{len(runs)} of {len(own)}",
                f"{float(np.mean(runs)):.1f}" if runs else "–",
                f"{float(np.median(spent)):.0f} s",
                f"{max(spent):.0f} s",
            ]
        )
    return found


def _edits(rows: Sequence[Row]) -> list[list[str]]:
    some = [row for row in rows if row["stage"] == "counterfactuals"]
    found = [["who", "edits", "moved", "sign right", "wrong", "said unmoved", "promises broken", "foreseen",
              "feared in vain", "F1", "error"]]  # fmt: skip
    for who in _once(str(row["who"]) for row in some):
        own = [row for row in some if row["who"] == who]
        moved, right, unmoved, hit, missed, wrong = (sum(_of(own, name)) for name in COUNTS)
        found.append(
            [
                who,
                str(len(own)),
                f"{moved:.0f}",
                _percent([right / moved] if moved else []),
                _percent([(moved - right - unmoved) / moved] if moved else []),
                _percent([unmoved / moved] if moved else []),
                f"{hit + missed:.0f}",
                f"{hit:.0f}",
                f"{wrong:.0f}",
                f"{2 * hit / (2 * hit + missed + wrong):.2f}" if hit + missed + wrong else "–",
                _percent(_of(own, "prediction_error")),
            ]
        )
    return found


def _promises(rows: Sequence[Row]) -> list[list[str]]:
    """By indicator: foreseen, missed, feared in vain."""
    some = [row for row in rows if row["stage"] == "counterfactuals"]
    kpis = [kpi for kpi in KPIS if kpi in PROMISED]
    found = [["foreseen, missed, in vain", *(_SHORT[kpi] for kpi in kpis)]]
    for who in _once(str(row["who"]) for row in some):
        own = [row for row in some if row["who"] == who]
        cells = [[sum(_of(own, f"{name} {kpi}")) for name in COUNTS[3:]] for kpi in kpis]
        found.append([who, *(", ".join(f"{one:.0f}" for one in cell) for cell in cells)])
    return found


def _edits_by_kind(rows: Sequence[Row]) -> list[list[str]]:
    """Right of moved: by kind of edit, and by indicator."""
    some = [row for row in rows if row["stage"] == "counterfactuals"]
    kinds = sorted({str(row["kind"]) for row in some})
    found = [["sign right of moved", *kinds, *(_SHORT[name] for name in KPIS)]]
    for who in _once(str(row["who"]) for row in some):
        own = [row for row in some if row["who"] == who]
        by_kind = [[row for row in own if row["kind"] == kind] for kind in kinds]
        cells = [[sum(_of(part, name)) for name in ("right", "moved")] for part in by_kind]
        cells += [[sum(_of(own, f"{name} {kpi}")) for name in ("right", "moved")] for kpi in KPIS]
        found.append([who, *(f"{right:.0f} of {moved:.0f}" for right, moved in cells)])
    return found


def _incidents(rows: Sequence[Row]) -> list[list[str]]:
    some = [row for row in rows if row["stage"] == "incidents"]
    found = [["what happened", "incidents", "verdict right", "said", "guilty one named"]]
    for kind in _once(str(row["happened"]) for row in some):
        own = [row for row in some if row["happened"] == kind]
        said = ", ".join(
            f"{name} {sum(row['verdict'] == name for row in own)}" for name in _once(str(row["verdict"]) for row in own)
        )
        named = [any(row["truly"] in str(one).split(" or ") for one in row["named"]) for row in own if row["truly"]]  # type: ignore[attr-defined]
        found.append(
            [
                kind,
                str(len(own)),
                str(sum(bool(row["right"]) for row in own)),
                said,
                f"{sum(named)} of {len(named)}" if named else "–",
            ]
        )
    return found


def _calendars(rows: Sequence[Row]) -> list[list[str]]:
    """Alarms of thirty days, weighed; and of the windows that were drawn."""
    found = [["thirty days of seed", "detector", "shadow", "false alarms", "interval", "recall", "usual", "load steps",
              "faults"]]  # fmt: skip
    for row in rows:
        if row["stage"] == "calendar":
            for name, words in (("alone", "without"), ("with_shadow", "with")):
                part: dict[str, Any] = row[name]  # type: ignore[assignment]
                low, high = part["interval"]
                counts = [" of ".join(map(str, part["counts"][kind])) for kind in ("usual", "load step", "fault")]
                found.append(
                    [
                        f"{row['seed']} ({row['family']})",
                        str(row["who"]),
                        words,
                        f"{part['false']:.0f}",
                        f"{low:.0f}–{high:.0f}",
                        _percent([part["recall"]]),
                        *counts,
                    ]
                )
    return found


def _links(rows: Sequence[Row]) -> list[list[str]]:
    found = [["property", "directions", "measured", "median error", "within the target", "truth inside the interval"]]
    for name, (share, plus, floor) in _TARGETS.items():
        some = [row for row in rows if row["stage"] == "links" and row["property"] == name]
        known = [row for row in some if row["standing"] == "measured" and row["value"] is not None]
        errors = [abs(_number(row["value"]) - _number(row["truth"])) for row in known]
        relative = [one / max(_number(row["truth"]), floor) for one, row in zip(errors, known, strict=True)]
        good = [one <= share * _number(row["truth"]) + plus for one, row in zip(errors, known, strict=True)]
        inside = [bool(row["inside"]) for row in known if row["inside"] is not None]
        found.append(
            [
                name,
                str(len(some)),
                str(len(known)),
                _percent(relative),
                _percent([float(np.mean(good))] if good else []),
                _percent([float(np.mean(inside))] if inside else []),
            ]
        )
    return found


def _of(rows: Iterable[Row], name: str) -> list[float]:
    return [_number(row[name]) for row in rows if row.get(name) is not None]


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


def _text(value: object) -> str:
    return str(value).partition(" (")[0]


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _percent(values: Sequence[float], *, worst: bool = False) -> str:
    return f"{(max(values) if worst else float(np.median(values))) * 100:.1f} %" if values else "–"


def _ratio(values: Sequence[float]) -> str:
    return f"{float(np.median(values)):.1f}" if values else "–"


def _laid_out(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
