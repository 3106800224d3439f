"""The tables and plots of ``docs/explanation/fidelity.md``, between its markers.

In: outcomes, and the summary of their run.  Out: the page with its blocks replaced, pictures beside it.
Never: a word outside the markers; never a figure that was not measured in this run.

A block begins with ``<!-- fidelity: NAME -->`` and ends with ``<!-- /fidelity -->``.  A run on another clock writes
other blocks, so the page may hold the figures of several runs, each with its own conditions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.truth.outcome import Outcome, summary

PAGE = Path(__file__).parents[2] / "docs/explanation/fidelity.md"
_BLOCK = r"(<!-- fidelity: {name} -->\n).*?(<!-- /fidelity -->)"
_EACH = ", each cell"


def write(outcomes: Sequence[Outcome], end: Mapping[str, object]) -> None:
    """Replace the blocks of this run's place."""
    text = PAGE.read_text(encoding="utf-8")
    embedded = "embedded" in str(end["kernel"])
    place = "virtual" if end["clock"] == "virtual" else "real" if embedded else "host"
    text = replaced(text, f"{place} conditions", _conditions(end))
    text = replaced(text, f"{place} targets", targets(outcomes))
    if place == "virtual":
        text = replaced(text, "misses", misses(outcomes))
        text = replaced(text, "theory", cells(outcomes, ("Reno", "CUBIC", "BBR", "DCTCP", "RTT fairness")))
        text = replaced(text, "reported", reported(outcomes))
        from benchmarks.truth import plots

        plots.draw(outcomes)
    PAGE.write_text(text, encoding="utf-8")


def replaced(text: str, name: str, content: str) -> str:
    """The page with one block changed.  Raises ValueError when it has no such block."""
    pattern = re.compile(_BLOCK.format(name=re.escape(name)), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{PAGE} has no block {name!r}")
    return pattern.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text, count=1)


def _conditions(end: Mapping[str, object]) -> str:
    void = end["void"]
    unexplained = len(end["missed"])  # type: ignore[arg-type]
    words = [
        f"{end['kernel']}, {end['clock']} clock, seed {end['seed']}: of {end['cells_with_a_target']} cells "
        f"{end['met']} meet their target, {end['missed_and_explained']} miss it for a known reason (below), "
        f"{unexplained} for none."
    ]
    if end["clock"] == "real":
        words.append(f"Load of the machine before and after: {end['load_average']}.")
        words.append(f"**Void**: {'; '.join(void)}." if void else "Not void.")  # type: ignore[arg-type]
    return " ".join(words)


def _number(value: float | str | None, unit: str = "") -> str:
    if isinstance(value, str) or value is None:
        return value or ""
    if unit == "share":
        return f"{100 * value:+.2f} %"
    if unit == "ns":
        return f"{value / 1000:.2f} µs"
    return f"{value:.4g}" + (f" {unit}" if unit else "")


def _target(one: Mapping[str, object] | Outcome) -> str:
    target = one["target"] if isinstance(one, Mapping) else one.target
    unit = str(one["unit"] if isinstance(one, Mapping) else one.unit)
    if not isinstance(target, float | int):
        return "–"
    if unit == "share":
        return f"± {100 * target:g} %"
    return f"≤ {target / 1000:g} µs" if unit == "ns" else f"≤ {target:g}"


def targets(outcomes: Sequence[Outcome]) -> str:
    """One row for each group with a target: its worst cell."""
    lines = ["| quantity | worst cell | measured | target | met |", "| --- | --- | --- | --- | --- |"]
    for one in summary(outcomes):
        if one["target"] is None:
            continue
        count, missed = int(str(one["cells"])), len(one["missed"])  # type: ignore[arg-type]
        met = "yes" if not missed else f"{count - missed} of {count} cells"
        measured = _number(float(str(one["measured"])), str(one["unit"]))
        lines.append(f"| {one['group']} | {one['cell']} | {measured} | {_target(one)} | {met} |")
    return "\n".join(lines)


def misses(outcomes: Sequence[Outcome]) -> str:
    """Every cell that misses its target, and why."""
    missed = [one for one in outcomes if one.met is False]
    if not missed:
        return "None."
    lines = ["| quantity | cell | wished | measured | why |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {one.group} | {one.cell} | {_number(one.wished)} | {_number(one.seen)} | {one.note or '**not known**'} |"
        for one in missed
    ]
    return "\n".join(lines)


def cells(outcomes: Sequence[Outcome], beginnings: tuple[str, ...]) -> str:
    """Every cell of some groups."""
    lines = ["| quantity | cell | theory | measured | error | target | losses or samples |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    lines += [
        f"| {one.group} | {one.cell} | {_number(one.wished)} | {_number(one.seen)} | "
        f"{_number(one.measured, one.unit)} | {_target(one)} | {one.samples or ''} |"
        for one in outcomes
        if one.group.startswith(beginnings)
    ]
    return "\n".join(lines)


def reported(outcomes: Sequence[Outcome]) -> str:
    """Cells without a target, but for those of theory and of each share."""
    lines = ["| quantity | cell | wished | measured | note |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {one.group} | {one.cell} | {_number(one.wished)} | {_number(one.seen)} | {one.note} |"
        for one in outcomes
        if one.target is None
        and not one.group.endswith(_EACH)
        and not one.group.startswith(("Reno", "CUBIC", "BBR", "DCTCP", "RTT fairness"))
    ]
    return "\n".join(lines)
