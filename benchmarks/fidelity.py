"""Truth of the emulation: what links, packets, queues and congestion controls do, beside what they should.

In: ``--clock=real`` or ``--kernel=host`` for another place than the virtual clock; ``--only=NAME`` for some experiments
(comma between them); ``--few`` for a small grid; ``--page`` writes the tables and plots of the page
``docs/explanation/fidelity.md``.
Out: one JSON line for each cell, then one for each group with its worst cell, then a summary.
Exit code 0 when every target is met or its miss is explained by the cell's note; 1 when one is not; 3 when something is
missing here (the witnesses need iperf3 and iputils-ping).

On the host's kernel where this machine has no netem (real-clock figures mean nothing there, the processor is emulated):

    scripts/vm --timeout 3000 .venv/bin/python -m benchmarks.fidelity --kernel=host --few >lines
    scripts/bench fidelity --lines=lines    # the page's tables from that; a later run of a cell replaces an earlier

A run on the real clock is void when the machine was too busy; the summary says so, and its figures are no proof.
"""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from benchmarks.truth import goodput, idle, jitter, marks, packets, queues, repeats, response, shared, witness
from benchmarks.truth.drive import Run
from benchmarks.truth.outcome import START, SUMMARY, Outcome, read_lines, summary
from shadowlab.errors import CannotRunError
from shadowlab.lab.execute import choose_place

Measure = Callable[[Run], list[Outcome]]

EXPERIMENTS: dict[str, Measure] = {
    "idle": idle.measure,
    "goodput": goodput.measure,
    "loss": packets.measure_loss,
    "bursts": packets.measure_bursts,
    "shares": packets.measure_shares,
    "wire": packets.measure_wire,
    "jitter": jitter.measure,
    "crowded": jitter.measure_crowded,
    "limits": queues.measure_limits,
    "standing": queues.measure_standing,
    "random": response.measure_random,
    "even": response.measure_even,
    "bbr": response.measure_bbr,
    "marks": marks.measure,
    "shared": shared.measure,
    "witness": witness.measure,
    "repeats": repeats.measure,
}
FEW: dict[str, Measure] = {
    "idle": lambda run: idle.measure(run, few=True),
    "goodput": lambda run: goodput.measure(run, few=True),
    "loss": lambda run: packets.measure_loss(run, few=True),
    "limits": lambda run: queues.measure_limits(run, few=True),
    "standing": queues.measure_standing,
    "witness": witness.measure,
}
"""What is worth its time on a real clock, or is enough for a first look."""


def measure(run: Run, names: Sequence[str], experiments: dict[str, Measure]) -> list[Outcome]:
    """All outcomes, each printed as it comes."""
    found: list[Outcome] = []
    for name in names:
        started = time.monotonic()
        outcomes = experiments[name](run)
        for one in outcomes:
            print(json.dumps(one.line(clock=run.place.clock), ensure_ascii=False), flush=True)
        found += outcomes
        print(f"fidelity: {name} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = ArgumentParser(prog="scripts/bench fidelity")
    parser.add_argument("--clock", choices=("virtual", "real"), default="virtual")
    parser.add_argument("--kernel", choices=("embedded", "host"), default="embedded")
    parser.add_argument("--only", default="", help=f"some of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--few", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("--lines", type=Path, help="write the page from what runs printed into this file")
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    clock: Literal["virtual", "real"] = "real" if words.kernel == "host" else words.clock
    experiments = FEW if words.few or clock == "real" else EXPERIMENTS
    names = [name for name in words.only.split(",") if name] or list(experiments)
    if unknown := sorted(set(names) - set(experiments)):
        parser.error(f"no such experiment here: {', '.join(unknown)}; choose from {', '.join(experiments)}")
    if words.lines:
        return _write_page(*read_lines(words.lines.read_text(encoding="utf-8")))
    try:
        if "witness" in names:
            witness.need()
        place = choose_place(words.kernel, clock)
    except CannotRunError as error:
        print(f"fidelity: {error}", file=sys.stderr)
        return 3
    run = Run(place=place, seed=words.seed, jobs=2 if clock == "virtual" else 1)
    load = os.getloadavg()[0]
    print(
        json.dumps({"benchmark": START, "kernel": place.description, "clock": clock, "experiments": names}), flush=True
    )
    outcomes = measure(run, names, experiments)
    groups = summary(outcomes)
    for line in groups:
        print(json.dumps(line, ensure_ascii=False), flush=True)
    end = {
        "benchmark": SUMMARY,
        "kernel": place.description,
        "clock": clock,
        "seed": words.seed,
        **_counts(outcomes),
        "void": sorted(set(run.void)),
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(end, ensure_ascii=False), flush=True)
    if words.page:
        _write_page(outcomes, end)
    return int(bool(end["missed"]))


def _counts(outcomes: Sequence[Outcome]) -> dict[str, object]:
    missed = [one for one in outcomes if one.met is False]
    return {
        "cells_with_a_target": sum(one.met is not None for one in outcomes),
        "met": sum(one.met is True for one in outcomes),
        "missed_and_explained": sum(bool(one.note) for one in missed),
        "missed": [f"{one.group}: {one.cell}" for one in missed if not one.note],
    }


def _write_page(outcomes: Sequence[Outcome], end: Mapping[str, object]) -> int:
    from benchmarks.truth import page  # matplotlib is slow to import

    end = {**end, **_counts(outcomes)}
    page.write(outcomes, end)
    return int(bool(end["missed"]))


if __name__ == "__main__":
    sys.exit(main())
