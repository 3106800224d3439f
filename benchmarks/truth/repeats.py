"""Determinism: the same cells twice give the same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from benchmarks.truth import goodput, idle, marks, response
from benchmarks.truth.drive import Run, Seen, run_cells
from benchmarks.truth.outcome import Outcome
from benchmarks.truth.pairs import MS, Cell


def grid() -> list[Cell]:
    """Cells of every experiment with flows or probes, side by side."""
    lossy = response.random_cells((("reno", 20, 0.01), ("cubic", 100, 0.003)))
    some = [*idle.cells(few=True), *goodput.cells(few=True), *lossy, *marks.cells("dctcp")[:1]]
    return [replace(cell, name=f"{number}", flows=()) if not cell.flows else cell for number, cell in enumerate(some)]


def digest(seen: list[Seen]) -> list[str]:
    """One for each cell."""
    return [hashlib.sha256(one.tcp.tobytes() + one.queue.tobytes() + one.probes.tobytes()).hexdigest() for one in seen]


def measure(run: Run) -> list[Outcome]:
    """How many cells differ between two runs of the same seed; and that another seed changes the lossy ones."""
    cells = grid()
    first, second = (digest(run_cells(run, cells, seconds=10, probe_every_ns=37 * MS)) for _ in range(2))
    other = digest(run_cells(replace(run, seed=run.seed + 1), cells, seconds=10, probe_every_ns=37 * MS))
    lossy = [number for number, cell in enumerate(cells) if cell.there.loss]
    return [
        Outcome(
            group="same seed, same cells, twice: cells that differ in any byte",
            cell=f"{len(cells)} cells",
            measured=sum(one != two for one, two in zip(first, second, strict=True)),
            unit="cells",
            target=0.0,
            seen=f"{sum(one == two for one, two in zip(first, second, strict=True))} identical",
            wished=f"{len(cells)} identical",
            samples=len(cells),
        ),
        Outcome(
            group="another seed: lossy cells that stay the same",
            cell=f"{len(lossy)} cells",
            measured=sum(first[number] == other[number] for number in lossy),
            unit="cells",
            target=0.0,
            samples=len(lossy),
        ),
    ]
