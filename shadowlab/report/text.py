"""The summary of a run on a terminal, or as plain lines in a pipe.

In: a result and a rich console.  Out: headline, the answers, the fault domain, tables of services and
cures.  Never: markup taken
from data, a line broken by colour codes where there is no terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shadowlab.report.choice import affected_paths
from shadowlab.report.words import (
    NOTHING,
    bayes_factor,
    moment,
    of_service,
    percent,
    plural,
    share,
    taken_back,
    void_windows,
)

if TYPE_CHECKING:
    from rich.console import Console

    from shadowlab.model.diagnosis.ablation import Ablation
    from shadowlab.model.result import ProgramOutcome, RunResult
    from shadowlab.model.traffic.summary import WorkloadSummary
    from shadowlab.model.verdict import CureOutcome

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def render_summary(result: RunResult, console: Console, report: Path | None = None) -> None:
    """Print what whoever started the run wants to know first."""
    print_line(console, result.headline or result.title or result.scenario, "bold")
    if not result.provenance.valid:
        print_line(console, f"VOID: {result.provenance.validity}", "bold red")
    elif result.provenance.void_windows_ns:
        print_line(console, f"Measured late   {void_windows(result.provenance)}: nothing is taken from there", "yellow")
    for sentence in result.conclusions:
        print_line(console, f"  {sentence}")
    _facts(result, console)
    if result.workloads:
        print_table(console, _SERVICE_HEADS, _service_rows(result), right=(1, 2, 3, 4, 5), loose=0)
    if result.cures:
        render_cures(result.cures, console)
    if report is not None:
        console.print()
        print_line(console, f"Report: {report}")


def render_cures(cures: Sequence[CureOutcome], console: Console) -> None:
    """The cures as they were ranked."""
    styles = ["dim" if cure.note else "green" if index == 0 else "" for index, cure in enumerate(cures)]
    print_table(console, _HEADS, [_row(one) for one in cures], right=(2, 3, 4, 5), loose=6, styles=styles)


def print_line(console: Console, words: str, style: str = "") -> None:
    """One line as it is: no markup, no emoji, no highlighting, broken only by a terminal's width."""
    from rich.text import Text

    console.print(Text(clean(words), style=style), soft_wrap=not console.is_terminal)


def clean(words: str) -> str:
    """Without what a terminal would obey."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", words)


def _facts(result: RunResult, console: Console) -> None:
    console.print()
    domain = result.fault_domain
    if domain is None:
        print_line(console, "Fault domain    none found")
    elif not domain.links:
        print_line(console, "Fault domain    no link explains what is affected better than chance")
        print_line(console, f"Since           {moment(domain.onset_ns)} of {moment(result.duration_ns)}")
    else:
        where = ", ".join(one.name for one in domain.suspects) or ", ".join(domain.links)
        print_line(console, f"Fault domain    {where}  ({domain.kind}, confidence {percent(domain.confidence)})")
        print_line(console, f"Since           {moment(domain.onset_ns)} of {moment(result.duration_ns)}")
    if domain is not None and domain.ablation is not None:
        _ablation(domain.ablation, console)
    affected = len(affected_paths(result))
    more = f"; services: {', '.join(domain.affected_services)}" if domain and domain.affected_services else ""
    print_line(console, f"Affected        {affected} of {plural(len(result.paths), 'path')}{clean(more)}")
    broken = sum(not one.holds for one in result.levels_after)
    print_line(console, f"Service levels  {broken} of {len(result.levels_after)} broken after the event")
    print_line(console, f"Production      {result.correlation.verdict}")
    whole = result.correlation.whole
    if whole is not None:
        worst = f", worst: {clean(whole.worst)}" if whole.standing != "true" else ""
        times = f"{whole.score:.1f} × the noise of production itself" if whole.values else "too few records to tell"
        print_line(console, f"Fidelity        {whole.standing}: {times}{worst}")
        for one in result.correlation.advice if whole.standing == "not to be trusted" else ():
            print_line(console, f"                would help: {clean(one)}")
    for program in result.programs:
        print_line(
            console, f"Program         {program.name} in {program.node}: {_ending(program)}; output: {program.output}"
        )
    for replay in result.replays:
        refused = f", {replay.refused_packets} refused" if replay.refused_packets else ""
        print_line(
            console, f"Replay          {replay.name} in {replay.node}: {plural(replay.sent_packets, 'packet')}{refused}"
        )
    for name, met in sorted(result.expectations.items()):
        print_line(console, f"Expected        {name}: {'met' if met else 'NOT MET'}", "" if met else "bold red")


def _ablation(one: Ablation, console: Console) -> None:
    if not one.trials:
        print_line(console, f"Kind            not tried by ablation: {clean(one.note)}")
        return
    from_ns, to_ns = one.window_ns
    print_line(console, f"Kind            by imposing it, against {moment(from_ns)} to {moment(to_ns)}:")
    for trial in one.trials:
        factor = bayes_factor(trial.log10_bayes)
        print_line(console, f"                {trial.name}: {trial.words}; explains {share(trial.explained)}, {factor}")


def _ending(one: ProgramOutcome) -> str:
    if one.ended_ns is None:
        return "never began"
    how = "stopped" if one.stopped else f"exit code {one.exit_code}"
    return f"{how} at {moment(one.ended_ns)}"


def _row(cure: CureOutcome) -> tuple[str, ...]:
    """One that failed, or could not be tried, says why in the place of figures."""
    if cure.note:
        return (NOTHING, clean(cure.cure), NOTHING, NOTHING, NOTHING, NOTHING, f"not counted: {clean(cure.note)}")
    figures = (percent(cure.recovered), percent(cure.broken_share), str(cure.harm), taken_back(cure))
    more = [one for one in (*cure.warnings, "left after a short course" if cure.short else "") if one]
    return (str(cure.rank), clean(cure.cure), *figures, clean("; ".join((cure.summary, *more))))


_HEADS = ("#", "Cure", "Mended", "Still broken", "Harm", "Taken back", "What it does")


_SERVICE_HEADS = ("Service", "Exchanges", "Failed or lost", "Median", "p99", "Slowdown p99")


def _service_rows(result: RunResult) -> list[tuple[str, ...]]:
    """Before and after the event, so that a change is seen."""

    def change(one: WorkloadSummary, name: str) -> str:
        before, after = of_service(one.before, name), of_service(one.after, name)
        return before if before == after else f"{before} → {after}"

    return [
        (
            clean(one.workload),
            "stream" if one.kind == "datagrams" else str(sum(one.outcomes.values())),
            change(one, "failures"),
            change(one, "completion_p50_ms"),
            change(one, "completion_p99_ms"),
            change(one, "slowdown_p99"),
        )
        for one in result.workloads
    ]


def print_table(
    console: Console,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int],
    loose: int,
    styles: Sequence[str] = (),
) -> None:
    """A table on a terminal; in a pipe, columns under each other, two spaces apart, however long the lines get.

    Numbers stand in the columns ``right``; the ``loose`` one may be broken.
    """
    console.print()
    if not console.is_terminal:
        widths = [max(len(row[index]) for row in (heads, *rows)) for index in range(len(heads) - 1)]
        for row in (heads, *rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            print_line(console, "  ".join([*cells, row[-1]]))
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index in right else "left", no_wrap=index != loose)
    for index, row in enumerate(rows):
        table.add_row(*map(Text, row), style=styles[index] if styles else "")
    console.print(table)
