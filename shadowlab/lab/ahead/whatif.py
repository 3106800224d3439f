"""A what-if question from beginning to end: the baseline and the variants, run until the answer is sure enough.

In: what is asked of, variants, how sure the answer is to be.  Out: the answer.  Never: different chance for different
variants: run number n of each has the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shadowlab import __version__
from shadowlab.errors import InputError
from shadowlab.lab.ahead.asked import Asked
from shadowlab.lab.ahead.measuring import Runner
from shadowlab.lab.ahead.variants import Ready, make_ready
from shadowlab.lab.interrupt import check
from shadowlab.model.result import Scaling
from shadowlab.predict.scenario.grid import Variant
from shadowlab.predict.sweep.answer import (
    BASELINE,
    Answer,
    Provenance,
    VariantAnswer,
    headline,
    variant_answer,
    worst_of_links,
)
from shadowlab.predict.sweep.figures import RunFigures
from shadowlab.predict.sweep.halving import run_again


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How many runs of each variant, at least and at most; ``precision`` of the limit is narrow enough."""

    least_runs: int = 2
    most_runs: int = 6
    precision: float = 0.1
    seed: int | None = None
    scale: Any = "auto"

    def __post_init__(self) -> None:
        if not 1 <= self.least_runs <= self.most_runs:
            raise InputError(f"at least {self.least_runs} runs are more than at most {self.most_runs}")


class Inquiry:
    """Runs variants of one question; what was run once is known for the next question about it."""

    def __init__(self, asked: Asked, runner: Runner, effort: Effort) -> None:
        self.asked = asked
        self._runner = runner
        self._effort = effort
        self._seed = asked.scenario.seed if effort.seed is None else effort.seed
        self._runs: dict[str, list[RunFigures]] = {}
        self._changes: dict[str, tuple[str, ...]] = {}
        factor = None if effort.scale in ("auto", "off") else float(effort.scale)
        base = make_ready(asked, Variant(), seed=self._seed, factor=1.0 if effort.scale == "off" else factor)
        if base.prepared is None:
            raise InputError(
                "nothing is driven through this network: no two instances of its traffic can reach each other"
            )
        self.scaling: Scaling = base.prepared.scaling
        self.directions = {str(path): frozenset(map(str, way)) for path, way in base.prepared.hops.items()}
        """By path, the directions on its way in the baseline."""

    @property
    def runs(self) -> int:
        """How many there were of all variants so far."""
        return sum(map(len, self._runs.values()))

    def ready(self, variant: Variant, number: int = 0) -> Ready:
        """The variant with the seed of its run ``number``.  Raises InputError."""
        return make_ready(self.asked, variant, seed=self._seed + number, factor=self.scaling.factor)

    def answer(self, variants: Sequence[Variant], *, on_round: Callable[[int, int], None] | None = None) -> Answer:
        """All variants beside the baseline.  ``on_round`` hears the number of the round and how many runs it has."""
        named = {one.name: one for one in (Variant(), *variants)}
        for one in named.values():  # what cannot be is told before anything is run
            self._changes.setdefault(one.name, self.ready(one).changes)
            check(self._runner.interrupt)
        among = [name for name in named if name != BASELINE]
        for number in range(self._effort.most_runs):
            todo = self._todo(among, number)
            if not todo:
                break
            if on_round is not None:
                on_round(number + 1, len(todo))
            made = (self.ready(named[name], len(self._runs.get(name, ()))) for name in todo)
            for figures, name in zip(self._runner.run(made), todo, strict=True):
                self._runs.setdefault(name, []).append(figures)
        return self._whole(among)

    def _todo(self, among: Sequence[str], number: int) -> list[str]:
        """What is run in a round: everything that never was, later what is worth it, and the baseline of its seeds."""
        chosen: Sequence[str] = [name for name in among if not self._runs.get(name)]
        if number or not chosen:
            found = {name: self._of(name).predictions for name in (BASELINE, *among)}
            effort = self._effort
            chosen = run_again(found, among or [BASELINE], effort.precision, least_runs=effort.least_runs)
        chosen = [name for name in chosen if len(self._runs.get(name, ())) < self._effort.most_runs]
        needed = max((len(self._runs.get(name, ())) for name in chosen if name != BASELINE), default=-1)
        if BASELINE not in chosen and len(self._runs.get(BASELINE, ())) <= max(needed, -1 if self._runs else 0):
            return [BASELINE, *chosen]
        return list(chosen)

    def _of(self, name: str) -> VariantAnswer:
        baseline = self._runs.get(BASELINE, [])
        return variant_answer(name, self._changes[name], self._runs.get(name, []), () if name == BASELINE else baseline)

    def _whole(self, among: Sequence[str]) -> Answer:
        baseline = self._of(BASELINE)
        variants = tuple(self._of(name) for name in among)
        runs = [one for name in (BASELINE, *among) for one in self._runs[name]]
        return Answer(
            question=self.asked.scenario.title,
            baseline=baseline,
            variants=variants,
            links=worst_of_links(baseline, variants),
            provenance=Provenance(
                kernel=self._runner.place.description,
                clock=self._runner.place.clock,
                shadowlab=__version__,
                seeds=tuple(sorted({one.seed for one in self._runs[BASELINE]})),
                seconds=self.asked.scenario.duration_ns / 1e9,
                scale_factor=self.scaling.factor,
                scale_reason=self.scaling.reason,
                runs=len(runs),
            ),
            promised=self.asked.promised,
            headline=headline(baseline, variants),
        )
