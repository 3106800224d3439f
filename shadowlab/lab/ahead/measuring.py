"""Runs of variants, of which only figures are kept.

In: variants that are ready, a crew to run them.  Out: the figures of each, in their order; those that a store already
has are not run again.  Never: a job run twice for two variants that come to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.lab.ahead.crew import Crew, Errand
from shadowlab.lab.ahead.variants import Ready
from shadowlab.lab.execute import LEAST_GUEST_BYTES, Place
from shadowlab.lab.interrupt import Interrupt, check
from shadowlab.predict.cost import count_parts, map_cost, need_memory
from shadowlab.predict.sweep.figures import LevelFigure, RunFigures


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
    """``crew`` runs what the store does not have, for this place."""

    place: Place
    crew: Crew
    interrupt: Interrupt
    store: Store = field(default_factory=Store)
    on_figures: Callable[[RunFigures], None] = lambda _: None
    ran: int = 0
    """Jobs that were run, not found in the store."""

    def run(self, ready: Iterable[Ready]) -> Iterator[RunFigures]:
        """The figures of each, in their order."""
        rest = iter(ready)
        while chunk := list(islice(rest, self.crew.at_a_time)):
            yield from self._chunk(chunk)

    def _chunk(self, chunk: Sequence[Ready]) -> list[RunFigures]:
        check(self.interrupt)
        found: dict[int, RunFigures] = {}
        ids: dict[int, str] = {}
        errands: dict[int, Errand] = {}
        for index, one in enumerate(chunk):
            if one.prepared is None:
                found[index] = _nothing_left(one)
                self.on_figures(found[index])
                continue
            ids[index] = one.content_id(f"{self.place.identity} {self.place.clock}")
            known = self.store.get(ids[index])
            if known is not None:
                found[index] = known
                self.on_figures(_named(known, one))
            elif ids[index] not in {ids[other] for other in errands}:
                errands[index] = self._errand(one, ids[index])
        self._execute(errands, found)
        by_id = {ids[index]: figures for index, figures in found.items() if index in ids}
        # Two variants may come to the same job: growth 1 is the baseline.
        return [_named(found.get(index) or by_id[ids[index]], one) for index, one in enumerate(chunk)]

    def _errand(self, one: Ready, content_id: str) -> Errand:
        assert one.prepared is not None
        cost = map_cost(count_parts(one.prepared.plan), self.place.kind)
        if self.crew.here:
            need_memory(cost, free_bytes(), "the shadow")
        return Errand(id=content_id, ready=one, memory_bytes=max(LEAST_GUEST_BYTES, cost.guest_bytes))

    def _execute(self, errands: Mapping[int, Errand], found: dict[int, RunFigures]) -> None:
        order = list(errands)

        def on_figures(number: int, figures: RunFigures, worth_keeping: bool) -> None:
            index = order[number]
            found[index] = figures
            if worth_keeping:
                self.store.put(errands[index].id, figures)
            self.on_figures(figures)

        if errands:
            self.ran += len(errands)
            self.crew.run(list(errands.values()), on_figures)


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
