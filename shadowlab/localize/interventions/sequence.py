"""A plan of interventions as a tree: each step is the one expected to tell most, and each outcome has its next step.

In: units, how many bad flows a window shows.  Out: a :class:`Plan` per suspect that is not settled.  Never: more steps
than :data:`MOST_STEPS`, nor one that tells next to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shadowlab.localize.findings import Found, Localisation
from shadowlab.localize.interventions.units import Unit, Wires, units_of, wires_of
from shadowlab.localize.observations import Observations
from shadowlab.localize.plan import ALL, HALF, NONE, Intervention, choose, information, updated

MOST_STEPS = 6
_LEAST_BITS = 0.05
_ENOUGH_FLOWS = 200.0
"""More bad flows tell none, half and all apart no better."""
_UNLIKELY = 0.005
"""An outcome of less probability is left out."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """Drain these, halve those; ``bits`` of information are expected.  ``outcomes`` are exhaustive but for unlikely
    ones."""

    drain: tuple[str, ...]
    halve: tuple[str, ...]
    bits: float
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``share`` of the bad flows is left (0, 0.5 or 1), with this probability; ``posterior`` is what holds then, and
    ``then`` the next step (None: sure enough, or nothing tells more)."""

    share: float
    probability: float
    posterior: Mapping[str, float]
    then: Step | None

    @property
    def likeliest(self) -> tuple[str, float]:
        """The unit that is at fault most probably, and how probable that is."""
        name = max(sorted(self.posterior), key=lambda one: self.posterior[one])
        return name, self.posterior[name]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """For one suspect.  ``first`` is None where it is settled, or no drain tells anything."""

    suspect: str
    bad_flows: int
    units: tuple[Unit, ...]
    first: Step | None

    @property
    def steps(self) -> float:
        """How many interventions are expected."""
        return _expected(self.first)


def plans(found: Localisation, seen: Observations, *, weights: bool = False) -> tuple[Plan, ...]:
    """One plan per suspect; ``weights`` allows links at half their weight beside drains."""
    wires = wires_of(seen.components)
    result = []
    for one in found.suspects:
        bad = _bad_flows(one)
        units = units_of(one, found, wires)
        posterior = {unit.name: unit.probability for unit in units}
        by_name = {unit.name: unit for unit in units}
        maker = _Maker(by_name, wires, min(float(bad), _ENOUGH_FLOWS), weights)
        result.append(Plan(suspect=one.name, bad_flows=bad, units=units, first=maker.step(posterior, MOST_STEPS)))
    return tuple(result)


def _bad_flows(one: Found) -> int:
    """Flows that show the fault: those that lost, or all that cross it where it is late or narrow."""
    return max(one.flows_bad if one.loss else one.flows, 1)


@dataclass(frozen=True)
class _Maker:
    units: Mapping[str, Unit]
    wires: Wires
    bad_flows: float
    weights: bool

    def step(self, posterior: Mapping[str, float], steps: int) -> Step | None:
        """The next one and all that may come after it."""
        if steps == 0:
            return None
        fixed = [name for name in posterior if self.units[name].fixed]
        found = choose(posterior, self.bad_flows, tiers=self._tiers(), weights=self.weights, fixed=fixed)
        if found is None:
            return None
        done = self._possible(found, posterior)
        if done.bits < _LEAST_BITS:
            return None
        outcomes = []
        for share in (NONE, HALF, ALL):
            mass = sum(probability for name, probability in posterior.items() if done.left[name] == share)
            if mass < _UNLIKELY:
                continue
            after = updated(posterior, done, self.bad_flows, round(share * self.bad_flows))
            outcomes.append(Outcome(share=share, probability=mass, posterior=after, then=self.step(after, steps - 1)))
        return Step(drain=done.drained, halve=done.halved, bits=done.bits, outcomes=tuple(outcomes))

    def _tiers(self) -> list[list[str]]:
        """Links that lead out of one node share its load."""
        of: dict[str, list[str]] = {}
        for name, unit in self.units.items():
            for source in {self.wires.ends[one.name][0] for one in unit.components if one.name in self.wires.ends}:
                of.setdefault(source, []).append(name)
        return [names for names in of.values() if len(names) > 1]

    def _possible(self, found: Intervention, posterior: Mapping[str, float]) -> Intervention:
        """Without what together would cut somebody off: the least probable stay in use."""
        left = dict(found.left)
        drained: Sequence[str] = sorted(found.drained, key=lambda name: (-posterior[name], name))
        while drained and self.wires.cut_by({link for name in drained for link in self.units[name].links}):
            left[drained[-1]] = ALL
            drained = drained[:-1]
        return replace(found, left=left, bits=information(posterior, left, self.bad_flows))


def _expected(step: Step | None) -> float:
    if step is None:
        return 0.0
    total = sum(one.probability for one in step.outcomes) or 1.0
    return 1.0 + sum(one.probability * _expected(one.then) for one in step.outcomes) / total
