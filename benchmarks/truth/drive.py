"""Cells are run: flows and probes by the code of ``shadowlab run``, trains and programs in what its plan built.

In: cells.  Out: per cell the raw records of its flows, its probes and its bottleneck's queue; per train its arrivals.
Never: a judgement.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth import inside
from benchmarks.truth.pairs import SECOND, Cell, job_of
from shadowlab.guest.boot import run_in_guest
from shadowlab.kernel.private import run_private
from shadowlab.lab.execute import Place, Work, execute
from shadowlab.lab.summaries import validity
from shadowlab.model.plain import to_plain
from shadowlab.monitor.raw_records import read_probes, read_queues, read_tcp
from shadowlab.monitor.void_windows import read_punctual

_ENTRY = f"{inside.__name__}:{inside.run.__name__}"
GUEST_BYTES = 1 << 30
WALL_S = 3000.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where runs happen, the seed, and how: ``void`` gathers the reasons of runs that prove nothing."""

    place: Place
    seed: int = 1
    jobs: int = 2
    void: list[str] = field(default_factory=list)

    @property
    def virtual(self) -> bool:
        """Whether the clock is."""
        return self.place.clock == "virtual"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Raw records of a cell: ``tcp`` of shape (samples, flows of the cell), ``queue`` (samples), ``probes``."""

    cell: Cell
    tcp: NDArray[Any]
    queue: NDArray[Any]
    probes: NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Train:
    """Numbered packets over a cell, there."""

    cell: Cell
    count: int
    gap_ns: int
    payload_bytes: int = 100
    batch: int = 1
    wait_ns: int = SECOND


@dataclass(frozen=True, kw_only=True)
class Passed:
    """``sent_ns`` by number; ``numbers`` and ``moments_ns`` in the order of arrival, altered packets left out."""

    train: Train
    sent_ns: NDArray[Any]
    numbers: NDArray[Any]
    moments_ns: NDArray[Any]
    altered: int

    @property
    def delays_ns(self) -> NDArray[Any]:
        """One-way delays in the order of arrival."""
        return self.moments_ns - self.sent_ns[self.numbers]

    @property
    def lost(self) -> NDArray[Any]:
        """By number: whether it never arrived."""
        gone = np.ones(len(self.sent_ns), dtype=bool)
        gone[self.numbers] = False
        return gone


def run_cells(
    run: Run, cells: Sequence[Cell], *, seconds: int, sample_every_ns: int = SECOND, probe_every_ns: int = SECOND // 5
) -> list[Seen]:
    """What was seen of each, in their order.  They are dealt out to as many guests as there are cores."""
    parts = [cells[number :: run.jobs] for number in range(run.jobs) if cells[number :: run.jobs]]
    jobs = [
        job_of(part, seconds=seconds, seed=run.seed, sample_every_ns=sample_every_ns, probe_every_ns=probe_every_ns)
        for part in parts
    ]
    with tempfile.TemporaryDirectory(prefix="fidelity-") as name:
        works = [
            Work(name=f"part {number}", job=job, folder=FilePath(name) / str(number), expected_wall_s=WALL_S / 5)
            for number, job in enumerate(jobs)
        ]
        done = execute(run.place, works, lambda _name, _share: None, lambda: False)
        for one, work in zip(done, works, strict=True):
            punctual = read_punctual(work.folder, seconds, SECOND)
            valid, why = validity(run.place, punctual, one.report)
            if not valid:
                run.void.append(why)
        seen = {
            one.cell.name: one
            for part, work in zip(parts, works, strict=True)
            for one in _read(part, work.job.watched, work.folder)
        }
    return [seen[cell.name] for cell in cells]


def _read(cells: Sequence[Cell], watched: Sequence[Any], folder: FilePath) -> list[Seen]:
    tcp = read_tcp(folder, sum(len(cell.flows) for cell in cells))
    queues, probes = read_queues(folder, len(watched)), read_probes(folder)
    places = {one.direction: number for number, one in enumerate(watched) if not one.line}
    found, first, path = [], 0, 0
    for cell in cells:
        place = places.get(str(cell.bottleneck))
        found.append(
            Seen(
                cell=cell,
                tcp=tcp[:, first : first + len(cell.flows)],
                queue=queues[:, place] if place is not None else queues[:0, 0] if queues.size else queues,
                probes=probes[probes["path"] == path] if cell.probed else probes[:0],
            )
        )
        first += len(cell.flows)
        path += cell.probed
    return found


def run_inside(
    run: Run,
    cells: Sequence[Cell],
    *,
    trains: Sequence[Train] = (),
    programs: Sequence[Sequence[Mapping[str, object]]] = (),
    sysctls: Sequence[tuple[str, str, str]] = (),
) -> tuple[list[Passed], list[list[dict[str, Any]]]]:
    """Build the network of all cells; send the trains, one after the other; then run each group of programs.

    The address of a node stands in a program's words as ``{node}``.
    """
    job = job_of(cells, seconds=1, seed=run.seed)
    groups = [
        [{**one, "argv": [_filled(word, job.addresses) for word in one["argv"]]} for one in group]  # type: ignore[attr-defined]
        for group in programs
    ]
    task = {
        "job": to_plain(job),
        "sysctls": list(sysctls),
        "trains": [
            {
                "source": train.cell.source,
                "target": train.cell.target,
                "count": train.count,
                "gap_ns": train.gap_ns,
                "payload_bytes": train.payload_bytes,
                "batch": train.batch,
                "wait_ns": train.wait_ns,
            }
            for train in trains
        ],
        "programs": groups,
    }
    with tempfile.TemporaryDirectory(prefix="fidelity-") as name:
        folder = FilePath(name)
        _execute(run, json.dumps(task).encode(), folder)
        passed = [_passed(train, folder / str(number)) for number, train in enumerate(trains)]
        return passed, json.loads((folder / inside.OUTPUT).read_text())


def _filled(word: str, addresses: Mapping[str, str]) -> str:
    return addresses[word[1:-1]] if word.startswith("{") else word


def _execute(run: Run, task: bytes, folder: FilePath) -> None:
    if run.place.kernel is None:
        run_private(
            entry=_ENTRY,
            job=task,
            folder=folder,
            wall_deadline_s=WALL_S,
            on_line=lambda _line: None,
            stopped=lambda: False,
        )
        return
    run_in_guest(
        kernel=run.place.kernel,
        entry=_ENTRY,
        job=task,
        folder=folder,
        clock=run.place.clock,
        seed=run.seed,
        virtual_deadline_ns=100_000 * SECOND,
        wall_deadline_s=WALL_S,
        memory_bytes=GUEST_BYTES,
    )


def _passed(train: Train, path: FilePath) -> Passed:
    sent = np.fromfile(path.with_name(f"{path.name}.{inside.SENT}"), dtype=np.int64)
    arrived = np.fromfile(path.with_name(f"{path.name}.{inside.ARRIVED}"), dtype=np.int64).reshape(-1, 2)
    whole = arrived[:, 0] < inside.ALTERED
    return Passed(
        train=train,
        sent_ns=sent,
        numbers=arrived[whole, 0],
        moments_ns=arrived[whole, 1],
        altered=int(np.count_nonzero(~whole)),
    )
