"""The null model: today's demand in a sound network.  What it shows is not broken, it is asked for.

In: a prepared scenario that names production's telemetry after the event.  Out: the same, prepared anew with the demand
of that telemetry and without events; or in words why there is none.  Never: a run (that is the caller's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from shadowlab.correlate.fault_free import fault_free_table
from shadowlab.errors import InputError
from shadowlab.lab.cures.read import Cures
from shadowlab.lab.prepare import Prepared, prepare
from shadowlab.model.flow import Path
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Network
from shadowlab.model.units import NS_PER_S
from shadowlab.topology.routing import intended_way

JUDGED_NS = 60 * NS_PER_S
"""So long is compared, or as long as the scenario's baseline where that is shorter."""


def null_window(prepared: Prepared) -> tuple[int, int]:
    """What of the null model's run is compared: it settles as long as the baseline's beginning does."""
    from_ns, to_ns = prepared.scenario.baseline_ns
    return from_ns, from_ns + min(JUDGED_NS, to_ns - from_ns)


def null_model(prepared: Prepared) -> Prepared | str:
    """At the scale of the main run."""
    scenario = prepared.scenario
    if scenario.production_after is None:
        return "the scenario names no telemetry of production after the event"
    sound = replace(
        scenario,
        telemetry=scenario.production_after,
        production_after=None,
        duration_ns=null_window(prepared)[1],
        baseline_ns=null_window(prepared),
        levels=(),
        level_places=(),
        events=(),
        cures=Cures(),
        expect=None,
    )
    try:
        return prepare(sound, seed=prepared.seed, scale=prepared.scaling.factor)
    except InputError as error:
        return f"today's demand cannot be driven: {error}"


def sound_windows(prepared: Prepared, asked: SeriesTable) -> SeriesTable:
    """Of the null model's indicators ``asked`` the windows in which it was settled: no fault, today's demand."""
    from_ns, to_ns = null_window(prepared)
    return fault_free_table(asked, from_ns=from_ns, to_ns=to_ns)


def ways_of(network: Network, paths: Iterable[Path]) -> Mapping[str, tuple[str, ...]]:
    """By path and by its reverse, the directions that it is meant to cross."""
    found: dict[str, tuple[str, ...]] = {}
    for path in paths:
        for one in (path, Path(source=path.target, target=path.source)):
            if str(one) not in found:
                way = intended_way(network, one.source, one.target)
                found[str(one)] = tuple(str(direction) for direction in way.directions)
    return found
