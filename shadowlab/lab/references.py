"""What a scenario says of the map and of the flows, held against both.

In: a scenario, the network of its map, the flows of its telemetry.  Out: nothing, or one InputError with every name
that is not there, every two events that get in each other's way, and their places.  Never: a look at a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from shadowlab.errors import Fault, InputError
from shadowlab.lab.events.event import SWITCHES, Event
from shadowlab.lab.events.subjects import is_one_link, links_of
from shadowlab.lab.scenario import Scenario
from shadowlab.model.flow import Path
from shadowlab.model.network import Network
from shadowlab.model.traffic.workload import service_of
from shadowlab.model.units import format_duration
from shadowlab.topology.positioned import in_file_order
from shadowlab.topology.wording import did_you_mean

_NAMED = 8


def check_references(scenario: Scenario, network: Network, driven: Sequence[str], paths: Sequence[Path]) -> None:
    """Raise InputError for service levels, events or expectations of something that does not exist, and for events
    that contradict each other.  ``driven`` names every flow and workload."""
    faults = [*_level_faults(scenario, [str(path) for path in paths]), *_expectation_faults(scenario, network)]
    for event in scenario.events:
        faults += _event_faults(event, network, driven)
    if not faults:
        faults += _meeting_faults(scenario.events, network)
        faults += _undrain_faults(scenario.events, network)
    if faults:
        raise InputError(*in_file_order(faults))


def _level_faults(scenario: Scenario, known: Sequence[str]) -> Iterator[Fault]:
    for level, place in zip(scenario.levels, scenario.level_places, strict=True):
        for path in level.paths:
            if path not in known:
                message = f"service level {level.name}: no flow runs on path {path}{_near(path, known)}"
                yield Fault(place=place, message=message)
        services = [service for one in scenario.traffic if (service := service_of(one))]
        for name in level.services:
            if services and name not in services:
                message = f"service level {level.name}: no workload is of a service {name!r}{_near(name, services)}"
                yield Fault(place=place, message=message)
        if level.of_service and not services:
            message = f"service level {level.name}: {level.kpi} is of services, and `traffic` has no exchanges"
            yield Fault(place=place, message=message)


def _expectation_faults(scenario: Scenario, network: Network) -> Iterator[Fault]:
    expect = scenario.expect
    for link in (expect.fault if expect is not None else None) or ():
        if link not in network.links_by_id:
            message = f"expect: the map has no link {link!r}{_near(link, list(network.links_by_id))}"
            yield Fault(place=expect.place if expect is not None else "", message=message)


def _event_faults(event: Event, network: Network, flows: Sequence[str]) -> Iterator[Fault]:
    if event.kind == "demand":
        for name in event.flows:
            if name not in flows:
                yield Fault(
                    place=event.place, message=f"demand: no flow or workload is called {name!r}{_near(name, flows)}"
                )
        return
    try:
        links = links_of(event.name, network)
    except ValueError as error:
        yield Fault(place=event.place, message=f"{event.kind}: {error}")
        return
    named = event.name in network.nodes_by_id or event.name in network.groups
    if event.kind in SWITCHES:
        if not links and named:
            yield Fault(place=event.place, message=f"{event.kind}: {event.name} has no links")
        elif not links:
            known = [*network.links_by_id, *network.nodes_by_id, *network.groups]
            near = did_you_mean(event.name, known) or _near(event.name, list(network.links_by_id))
            yield Fault(place=event.place, message=f"{event.kind}: the map has no link {event.name!r}{near}")
    elif not is_one_link(event.name, network):
        more = f"; {event.name} is a {'node' if event.name in network.nodes_by_id else 'group'}: name its links"
        near = more if named else _near(event.name, list(network.links_by_id))
        yield Fault(place=event.place, message=f"{event.kind}: the map has no link {event.name!r}{near}")
    else:
        link = network.links_by_id[event.name]
        if event.towards and event.towards not in (link.a, link.b):
            words = f"{event.towards!r} is not an end of that link; they are {link.a} and {link.b}"
            yield Fault(place=event.place, message=f"{event.kind} {link.id}: {words}")


# --- two events -------------------------------------------------------------------------------------------------


def _meeting_faults(events: Sequence[Event], network: Network) -> Iterator[Fault]:
    """Two events of which one would undo in part what the other does."""
    for first, second in combinations(events, 2):
        what = _both_change(first, second, network)
        if what is None:
            continue
        until = f"lasts until {format_duration(first.end_ns)}" if first.end_ns > first.at_ns else "comes with it"
        words = f"the {first.kind} of {first.name or 'demand'} at {format_duration(first.at_ns)} {until}"
        message = f"{second.kind}: {what} is being changed already: {words}"
        yield Fault(place=second.place, message=message)


def _both_change(first: Event, second: Event, network: Network) -> str | None:
    """What two events change at the same time, if that contradicts itself.  ``first`` does not begin later."""
    if first.kind in SWITCHES and second.kind in SWITCHES:
        both = set(links_of(first.name, network)) & set(links_of(second.name, network))
        at_once = first.at_ns == second.at_ns and first.kind == second.kind in ("fail", "restore", "undrain")
        return f"link {min(both)}" if both and second.at_ns <= first.end_ns and not at_once else None
    moves = (first.kind == "ramp" or second.kind == "ramp") and first.name == second.name
    moves |= bool(first.over_ns or second.over_ns) and first.kind == second.kind == "demand"
    # A ramp has arrived at its end: what happens then comes after it.
    if not moves or not (second.at_ns < first.end_ns or second.at_ns == first.at_ns):
        return None
    if first.kind == "demand":
        both = set(first.flows) & set(second.flows)
        return f"demand of {min(both, default='all flows')}" if both or not (first.flows and second.flows) else None
    one_way = first.towards and second.towards and first.towards != second.towards
    keys = [key for key in first.stated if key in second.stated and not one_way]
    return f"{keys[0]} of {first.name}" if keys else None


def _undrain_faults(events: Sequence[Event], network: Network) -> Iterator[Fault]:
    drained: set[str] = set()
    for event in events:
        if event.kind == "drain":
            drained |= set(links_of(event.name, network))
        elif event.kind == "undrain" and not drained >= set(links_of(event.name, network)):
            yield Fault(place=event.place, message=f"undrain: nothing drained {event.name} before")


def _near(word: str, known: Sequence[str]) -> str:
    """A guess at what was meant, or some of what there is."""
    some = ", ".join(sorted(known)[:_NAMED])
    return did_you_mean(word, known) or f"; there are {some}{', …' if len(known) > _NAMED else ''}"
