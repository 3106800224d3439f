"""Who runs the jobs of a question: the cores of this machine, or whoever else takes errands.

In: errands, each a variant that is ready with what running it needs.  Out: the figures of each, as they come.
Never: a failed run kept: another time it may go better.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shadowlab.errors import ShadowFailedError
from shadowlab.lab.ahead.variants import Ready
from shadowlab.lab.analyse import WINDOW_NS, measure
from shadowlab.lab.execute import Done, Place, Work, execute
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.progress import Progress, Silent
from shadowlab.lab.summaries import validity
from shadowlab.lab.workloads.measure import measure_exchanges
from shadowlab.predict.sweep.figures import RunFigures, level_figures, link_figures


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A job as data: the same ``id`` for the same job on the same kernel, on any machine."""

    id: str
    ready: Ready
    memory_bytes: int

    @property
    def prepared(self) -> Prepared:
        """What is run.  Only a variant in which something reaches something becomes an errand."""
        assert self.ready.prepared is not None
        return self.ready.prepared

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.ready.variant.name}, seed {self.prepared.seed}"


OnFigures = Callable[[int, RunFigures, bool], None]
"""Number of the errand, its figures, whether they are worth keeping.  Called from several threads."""


class Crew(Protocol):
    """Whoever runs errands."""

    @property
    def here(self) -> bool:
        """Whether it is this machine's memory that they take."""

    @property
    def at_a_time(self) -> int:
        """How many errands are worth holding ready."""

    def run(self, errands: Sequence[Errand], on_figures: OnFigures) -> None:
        """Every errand once.  Raises Interrupted, and CannotRunError where nobody can run them."""


@dataclass(kw_only=True)
class LocalCrew:
    """One guest on each core.  ``scratch`` holds the raw records of runs under way."""

    place: Place
    scratch: Path
    interrupted: Callable[[], bool]
    progress: Progress = field(default_factory=Silent)
    here: bool = True

    @property
    def at_a_time(self) -> int:
        return 8 * len(os.sched_getaffinity(0))

    def run(self, errands: Sequence[Errand], on_figures: OnFigures) -> None:
        works = [self._work(one) for one in errands]

        def on_done(number: int, done: Done) -> None:
            figures = figures_of(errands[number], self.place, works[number].folder, done)
            shutil.rmtree(works[number].folder, ignore_errors=True)
            on_figures(number, figures, True)

        def on_failed(number: int, error: ShadowFailedError) -> None:
            shutil.rmtree(works[number].folder, ignore_errors=True)
            on_figures(number, fault_of(errands[number], str(error)), False)

        if works:
            execute(self.place, works, self.progress.work, self.interrupted, on_done=on_done, on_failed=on_failed)

    def _work(self, one: Errand) -> Work:
        return Work(
            name=one.name,
            job=one.prepared.job(),
            folder=self.scratch / one.id,
            expected_wall_s=one.prepared.cost.wall_s,
            memory_bytes=one.memory_bytes,
            files=one.prepared.files,
        )


def fault_of(errand: Errand, why: str) -> RunFigures:
    """What stands in the place of figures where there are none."""
    return RunFigures(variant=errand.ready.variant.name, seed=errand.prepared.seed, fault=why)


def figures_of(errand: Errand, place: Place, folder: Path, done: Done) -> RunFigures:
    """What is kept of a run whose raw records lie in ``folder``."""
    ready, prepared = errand.ready, errand.prepared
    to_ns = prepared.scenario.duration_ns
    measured = measure(folder, prepared, to_ns)
    exchanged = measure_exchanges(folder, prepared, to_ns, WINDOW_NS)
    valid, why = validity(place, measured.punctual, done.report)
    if not valid:
        return fault_of(errand, f"void: {why}")
    return RunFigures(
        variant=ready.variant.name,
        seed=prepared.seed,
        levels=level_figures(
            measured.paths, exchanged.services, ready.levels, from_ns=ready.from_ns, to_ns=to_ns, cut=ready.cut
        ),
        links=link_figures(measured.links, from_ns=ready.from_ns, to_ns=to_ns),
        cut=ready.cut,
    )
