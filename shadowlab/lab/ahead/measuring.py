"""Runs of variants, on all cores, of which only figures are kept.

In: variants that are ready, a place to run them.  Out: the figures of each, in their order; those that a store already
has are not run again.  Never: more than a few runs' raw records on the disk at a time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.lab.ahead.variants import Ready
from shadowlab.lab.analyse import WINDOW_NS, measure
from shadowlab.lab.execute import LEAST_GUEST_BYTES, Done, Place, Work, execute
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.lab.progress import Progress
from shadowlab.lab.summaries import validity
from shadowlab.lab.workloads.measure import measure_exchanges
from shadowlab.predict.cost import count_parts, map_cost, need_memory
from shadowlab.predict.sweep.figures import LevelFigure, RunFigures, level_figures, link_figures

_CHUNK_OF_A_CORE = 8
"""Jobs that are held ready at a time, for each core."""


class Store:
    """Figures by the content id of their job.  This one forgets them with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, RunFigures] = {}

    def get(self, content_id: str) -> RunFigures | None:
        """What the job showed, if it was ever run."""
        return self._kept.get(content_id)

    def put(self, content_id: str, figures: RunFigures) -> None:
        """Keep it.  Called from several threads."""
        self._kept[content_id] = figures


@dataclass(kw_only=True)
class Runner:
    """``scratch`` holds raw records of the runs under way; whoever made it removes it."""

    place: Place
    scratch: Path
    progress: Progress
    interrupt: Interrupt
    store: Store = field(default_factory=Store)
    on_figures: Callable[[RunFigures], None] = lambda _: None
    ran: int = 0
    """Jobs that were run, not found in the store."""

    def run(self, ready: Iterable[Ready]) -> Iterator[RunFigures]:
        """The figures of each, in their order."""
        rest = iter(ready)
        while chunk := list(islice(rest, _CHUNK_OF_A_CORE * len(os.sched_getaffinity(0)))):
            yield from self._chunk(chunk)

    def _chunk(self, chunk: Sequence[Ready]) -> list[RunFigures]:
        check(self.interrupt)
        found: dict[int, RunFigures] = {}
        ids: dict[int, str] = {}
        works: dict[int, Work] = {}
        for index, one in enumerate(chunk):
            if one.prepared is None:
                found[index] = _nothing_left(one)
                self.on_figures(found[index])
                continue
            ids[index] = one.content_id(f"{self.place.description} {self.place.clock}")
            known = self.store.get(ids[index])
            if known is not None:
                found[index] = known
                self.on_figures(_named(known, one))
            elif ids[index] not in {ids[other] for other in works}:
                works[index] = self._work(one, ids[index])
        self._execute(chunk, works, ids, found)
        by_id = {ids[index]: figures for index, figures in found.items() if index in ids}
        # Two variants may come to the same job: growth 1 is the baseline.
        return [_named(found.get(index) or by_id[ids[index]], one) for index, one in enumerate(chunk)]

    def _work(self, one: Ready, content_id: str) -> Work:
        prepared = one.prepared
        assert prepared is not None
        cost = map_cost(count_parts(prepared.plan), self.place.kind)
        need_memory(cost, free_bytes(), "the shadow")
        return Work(
            name=f"{one.variant.name}, seed {prepared.seed}",
            job=prepared.job(),
            folder=self.scratch / content_id,
            expected_wall_s=prepared.cost.wall_s,
            memory_bytes=max(LEAST_GUEST_BYTES, cost.guest_bytes),
            files=prepared.files,
        )

    def _execute(
        self,
        chunk: Sequence[Ready],
        works: Mapping[int, Work],
        ids: Mapping[int, str],
        found: dict[int, RunFigures],
    ) -> None:
        order = list(works)

        def on_done(number: int, done: Done) -> None:
            index = order[number]
            found[index] = self._figures(chunk[index], works[index], done)
            self.store.put(ids[index], found[index])
            self._over(works[index], found[index])

        def on_failed(number: int, error: ShadowFailedError) -> None:
            # Not kept in the store: another time it may go better.
            index = order[number]
            prepared = chunk[index].prepared
            assert prepared is not None
            found[index] = RunFigures(variant=chunk[index].variant.name, seed=prepared.seed, fault=str(error))
            self._over(works[index], found[index])

        if works:
            self.ran += len(works)
            execute(
                self.place,
                list(works.values()),
                self.progress.work,
                self.interrupt.asked,
                on_done=on_done,
                on_failed=on_failed,
            )

    def _over(self, work: Work, figures: RunFigures) -> None:
        shutil.rmtree(work.folder, ignore_errors=True)
        self.on_figures(figures)

    def _figures(self, one: Ready, work: Work, done: Done) -> RunFigures:
        prepared = one.prepared
        assert prepared is not None
        to_ns = prepared.scenario.duration_ns
        measured = measure(work.folder, prepared, to_ns)
        exchanged = measure_exchanges(work.folder, prepared, to_ns, WINDOW_NS)
        valid, why = validity(self.place, measured.punctual, done.report)
        if not valid:
            return RunFigures(variant=one.variant.name, seed=prepared.seed, fault=f"void: {why}")
        return RunFigures(
            variant=one.variant.name,
            seed=prepared.seed,
            levels=level_figures(
                measured.paths, exchanged.services, one.levels, from_ns=one.from_ns, to_ns=to_ns, cut=one.cut
            ),
            links=link_figures(measured.links, from_ns=one.from_ns, to_ns=to_ns),
            cut=one.cut,
        )


def _named(figures: RunFigures, one: Ready) -> RunFigures:
    return replace(figures, variant=one.variant.name)


def _nothing_left(one: Ready) -> RunFigures:
    """Of a variant in which nothing can reach anything: every level is broken on every path."""
    levels = tuple(
        LevelFigure(
            level=level.name,
            subject=path,
            kpi=level.kpi,
            limit=level.limit,
            less_is_bad=level.less_is_bad,
            value=None,
            windows=0,
        )
        for level in one.levels
        if not level.of_service
        for path in one.cut
        if not level.paths or path in level.paths
    )
    return RunFigures(variant=one.variant.name, seed=one.seed, levels=levels, cut=one.cut)
