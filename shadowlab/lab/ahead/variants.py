"""A variant of a question becomes something that can be run.

In: what is asked, the scenarios of the variant.  Out: a job with all that its figures stand on; or the fact that
nothing could reach anything.  Never: an exception for a network in pieces: that is an answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pydantic

from shadowlab.errors import InputError
from shadowlab.lab.ahead.asked import Asked
from shadowlab.lab.events.event import Event
from shadowlab.lab.events.read import read_event
from shadowlab.lab.prepare import Prepared, resolve
from shadowlab.lab.scenario_form import RawEvent, RawWindow
from shadowlab.lab.workloads.resolve import pairs, probed_pairs
from shadowlab.model.flow import Path
from shadowlab.model.level import ServiceLevel
from shadowlab.model.network import Network
from shadowlab.model.plain import to_plain
from shadowlab.model.units import NS_PER_S
from shadowlab.predict.scenario.grid import Variant
from shadowlab.predict.scenario.kinds import applied
from shadowlab.predict.scenario.situation import Situation
from shadowlab.predict.sweep.figures import FORMAT
from shadowlab.topology.routing import intended_way
from shadowlab.topology.wording import plain_faults

WARM_UP_NS = 5 * NS_PER_S
"""Not judged: slow start."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A variant that is resolved.  ``prepared`` is None where everything is cut off.  Judged from ``from_ns`` on."""

    variant: Variant
    changes: tuple[str, ...]
    prepared: Prepared | None
    levels: tuple[ServiceLevel, ...]
    cut: tuple[str, ...]
    from_ns: int
    seed: int

    def content_id(self, place: str) -> str:
        """The same for the same job on the same kernel (``place``), on any machine, and for no other."""
        assert self.prepared is not None
        one = hashlib.blake2b(digest_size=16)
        judged = {"format": FORMAT, "levels": to_plain(self.levels), "cut": list(self.cut), "from_ns": self.from_ns}
        for part in (place, json.dumps(judged, sort_keys=True)):
            one.update(part.encode() + b"\0")
        one.update(self.prepared.job().to_bytes())
        for name in sorted(self.prepared.files):
            one.update(name.encode() + b"\0" + self.prepared.files[name])
        return one.hexdigest()


def situation_of(asked: Asked) -> Situation:
    """The baseline."""
    return Situation(
        network=asked.inputs.network,
        flows=asked.inputs.flows,
        workloads=asked.inputs.workloads,
        compute=asked.scenario.compute,
        duration_ns=asked.scenario.duration_ns,
    )


def make_ready(asked: Asked, variant: Variant, *, seed: int, factor: float | None) -> Ready:
    """The variant with a seed, scaled by ``factor`` (None: as the scenario's wall budget needs).

    Raises InputError, naming the variant, for what cannot be.
    """
    try:
        situation = applied(variant.scenarios, situation_of(asked))
        cut = _cut_paths(situation)
        flows = tuple(one for one in situation.flows if f"{one.source}→{one.target}" not in cut)
        reached = [
            one
            for one in situation.workloads
            if not (every := list(pairs(one))) or any(str(path) not in cut for path in every)
        ]
        scenario = _scenario(asked, situation)
        inputs = replace(asked.inputs, network=situation.network, flows=flows, workloads=tuple(reached))
        levels, places = _levels(asked, situation, flows, reached)
        scenario = replace(scenario, levels=levels, level_places=places)
        prepared = None
        if flows or reached:
            prepared = resolve(
                scenario, inputs, seed=seed, scale="auto" if factor is None else factor, partial=bool(cut)
            )
    except InputError as error:
        raise InputError(*(f"{variant.name}: {one}" for one in error.faults)) from error
    except ValueError as error:
        named = str(error).startswith(variant.name)
        raise InputError(str(error) if named else f"{variant.name}: {error}") from error
    begins = min((one.at_ns for one in scenario.events), default=WARM_UP_NS)
    return Ready(
        variant=variant,
        changes=situation.changes,
        prepared=prepared,
        levels=asked.scenario.levels,
        cut=cut,
        from_ns=max(WARM_UP_NS, begins),
        seed=seed,
    )


def _cut_paths(situation: Situation) -> tuple[str, ...]:
    wanted = {Path(source=one.source, target=one.target) for one in situation.flows}
    wanted |= set(probed_pairs(situation.workloads))
    return tuple(str(one) for one in sorted(wanted) if _is_cut(situation.network, one))


def _is_cut(network: Network, one: Path) -> bool:
    return any(intended_way(network, *ends).fault for ends in ((one.source, one.target), (one.target, one.source)))


def _levels(
    asked: Asked, situation: Situation, flows: Sequence[Any], workloads: Sequence[Any]
) -> tuple[tuple[ServiceLevel, ...], tuple[str, ...]]:
    """Those that the variant still has a subject of: an instance that is gone takes its paths along."""
    there = {f"{one.source}→{one.target}" for one in flows} | {str(one) for one in probed_pairs(workloads)}
    kept: list[tuple[ServiceLevel, str]] = []
    for level, place in zip(asked.scenario.levels, asked.scenario.level_places, strict=True):
        named = tuple(path for path in level.paths if path in there)
        if level.of_service or not level.paths:
            kept.append((level, place))
        elif named:
            kept.append((replace(level, paths=named), place))
    return tuple(one for one, _ in kept), tuple(place for _, place in kept)


def _scenario(asked: Asked, situation: Situation) -> Any:
    events = list(asked.scenario.events) if situation.own_events else []
    events += [_event(one, index, asked) for index, one in enumerate(situation.happenings)]
    late = [one for one in events if one.end_ns >= asked.scenario.duration_ns]
    if late:
        seconds = max(one.end_ns for one in late) / NS_PER_S
        raise ValueError(
            f"an event ends at {seconds:g} s, after the run of {asked.scenario.duration_ns / NS_PER_S:g} s: "
            "ask with a longer --duration"
        )
    return replace(
        asked.scenario,
        baseline_ns=(0, min((one.at_ns for one in events), default=WARM_UP_NS)),
        events=tuple(sorted(events, key=lambda one: one.at_ns)),
        compute=situation.compute,
    )


def _event(stated: Mapping[str, Any], index: int, asked: Asked) -> Event:
    data = dict(stated)
    try:
        raw = RawEvent.model_validate(data)
    except pydantic.ValidationError as error:
        faults = "; ".join(words for _, words, _ in plain_faults(error, RawEvent, data))
        raise ValueError(f"event {index + 1}: {faults}") from None
    faults_found: list[str] = []
    event = read_event(
        raw,
        ("timeline", index),
        duration_ns=asked.scenario.duration_ns,
        baseline=RawWindow.model_validate({"from": "0 s", "to": "0 s"}),
        place=lambda _where: f"event {index + 1}",
        fault=lambda _where, message: faults_found.append(message),
    )
    if event is None:
        hint = ": ask with a longer --duration" if raw.at >= asked.scenario.duration_ns else ""
        raise ValueError(f"event {index + 1}: {'; '.join(faults_found)}{hint}")
    return event
