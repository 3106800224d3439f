"""Cures of an incident of production, rehearsed in a shadow of it under today's demand.

In: the fault domain, today's demand, what the sound shadow measured.  Out: outcomes, best first, and a proposal.
Never: a change of production.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.lab.analyse import Measured
from shadowlab.lab.conclude import best_cure
from shadowlab.lab.events.event import Event
from shadowlab.lab.events.read import read_event
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.scenario import Scenario
from shadowlab.lab.scenario_form import RawEvent, RawWindow
from shadowlab.lab.stages.rehearsals import Rehearsals
from shadowlab.lab.watch.stages.demand import Demand, prepared_for
from shadowlab.lab.watch.stages.shadows import Shadows
from shadowlab.model.network import Network
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import CureOutcome, FaultDomain
from shadowlab.monitor.void_windows import LATE_NS
from shadowlab.store.folder import RunFolder

BREAKS_NS = 12 * NS_PER_S
"""In the shadow: slow start is over."""
KNOWN_NS = BREAKS_NS + 3 * NS_PER_S
_DEAD = 0.95
"""A direction that loses so much is taken to be down."""


def fault_events(domain: FaultDomain, network: Network) -> tuple[Event, ...]:
    """What the domain says of its links, as events of a scenario: each suspect direction with its loss and its delay on
    top of the map's.  Of a class that evidence cannot tell apart every member is taken to be hit, which is cautious."""
    return tuple(_events(domain, network))


def _events(domain: FaultDomain, network: Network) -> Iterator[Event]:
    if domain.kind == "overload":
        return
    seen = set()
    for suspect in domain.suspects:
        for direction in suspect.directions:
            if direction in seen:
                continue
            seen.add(direction)
            if domain.kind == "black hole" or suspect.loss >= _DEAD:
                yield _read({"at": f"{BREAKS_NS} ns", "fail": direction.link})
                continue
            stated = network.impairment(direction)
            keys: dict[str, object] = {
                "at": f"{BREAKS_NS} ns",
                "degrade": direction.link,
                "towards": direction.target,
            }
            if suspect.loss > 0:
                keys["loss"] = min(1.0, suspect.loss + stated.mean_loss)
            if suspect.excess_delay_ns > 0:
                keys["delay"] = f"{round(stated.delay_ns + suspect.excess_delay_ns)} ns"
            if "loss" in keys or "delay" in keys:
                yield _read(keys)


def _read(keys: dict[str, object]) -> Event:
    def fault(where: tuple[str | int, ...], message: str) -> None:
        raise InputError(f"the fault cannot be played in a shadow: {message}")

    found = read_event(
        RawEvent.model_validate(keys),
        (),
        duration_ns=2 * KNOWN_NS,
        baseline=RawWindow.model_validate({"from": "0 s", "to": "10 s"}),
        place=lambda _: "watch",
        fault=fault,
    )
    assert found is not None  # else it was a fault
    return found


def rehearsed(
    scenario: Scenario,
    demand: Demand,
    domain: FaultDomain,
    today: Prepared,
    measured: Measured,
    shadows: Shadows,
) -> tuple[CureOutcome, ...]:
    """Nothing where no cure is allowed, or the domain names no link."""
    if not domain.links or not scenario.cures.mitigations:
        return ()
    events = fault_events(domain, today.network)
    incident = replace(scenario, events=events, duration_ns=max(scenario.duration_ns, 2 * KNOWN_NS))
    prepared = prepared_for(incident, demand, today.scaling.factor)
    place = shadows.scratch / "incident"
    shutil.rmtree(place, ignore_errors=True)
    try:
        with RunFolder(place) as folder:
            stage = Rehearsals(
                prepared=prepared,
                place=shadows.place,
                folder=folder,
                progress=shadows.progress,
                interrupt=shadows.interrupt,
                memory_bytes=shadows.memory_bytes(prepared),
                late_ns=LATE_NS,
            )
            return stage.outcomes(domain, KNOWN_NS, measured)
    finally:
        _remove(place)


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def proposal_of(cures: tuple[CureOutcome, ...]) -> str:
    """The sentence of a proposal; what was tried in vain is told too.  Empty where nothing was tried."""
    if not cures:
        return ""
    best = best_cure(cures)
    if best is None:
        return f"none of {len(cures) - 1} rehearsed cures is better than doing nothing"
    nothing = next((one for one in cures if one.kind == "nothing"), None)
    before = f" instead of {nothing.broken_share:.1%}" if nothing is not None else ""
    return f"{best.cure}: {best.summary} ({best.broken_share:.1%} of the judged windows stay broken{before})"
