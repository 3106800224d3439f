"""What a scenario says of the map and of the flows, held against both.

In: a scenario, the network of its map, the flows of its telemetry.  Out: nothing, or one InputError with every name
that is not there, and its place.  Never: a look at a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shadowlab.errors import Fault, InputError
from shadowlab.lab.scenario import Event, Scenario
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.model.network import Network
from shadowlab.topology.positioned import in_file_order
from shadowlab.topology.wording import did_you_mean

_NAMED = 8


def check_references(scenario: Scenario, network: Network, flows: Sequence[FlowSpec], paths: Sequence[Path]) -> None:
    """Raise InputError for service levels, events or expectations of something that does not exist."""
    known = [flow.id for flow in flows]
    faults = [*_level_faults(scenario, [str(path) for path in paths]), *_expectation_faults(scenario, network)]
    for event in scenario.events:
        faults += _event_faults(event, network, known)
    if faults:
        raise InputError(*in_file_order(faults))


def _level_faults(scenario: Scenario, known: Sequence[str]) -> Iterator[Fault]:
    for level, place in zip(scenario.levels, scenario.level_places, strict=True):
        for path in level.paths:
            if path not in known:
                message = f"service level {level.name}: no flow runs on path {path}{_near(path, known)}"
                yield Fault(place=place, message=message)


def _expectation_faults(scenario: Scenario, network: Network) -> Iterator[Fault]:
    expect = scenario.expect
    if expect is not None and expect.fault is not None and expect.fault not in network.links_by_id:
        message = f"expect: the map has no link {expect.fault!r}{_near(expect.fault, list(network.links_by_id))}"
        yield Fault(place=expect.place, message=message)


def _event_faults(event: Event, network: Network, flows: Sequence[str]) -> Iterator[Fault]:
    link = network.links_by_id.get(event.link)
    if event.kind == "demand":
        for name in event.flows:
            if name not in flows:
                yield Fault(place=event.place, message=f"demand: no flow is called {name!r}{_near(name, flows)}")
    elif link is None:
        message = f"{event.kind}: the map has no link {event.link!r}{_near(event.link, list(network.links_by_id))}"
        yield Fault(place=event.place, message=message)
    elif event.towards and event.towards not in (link.a, link.b):
        message = (
            f"{event.kind} {link.id}: {event.towards!r} is not an end of that link; they are {link.a} and {link.b}"
        )
        yield Fault(place=event.place, message=message)


def _near(word: str, known: Sequence[str]) -> str:
    """A guess at what was meant, or some of what there is."""
    some = ", ".join(sorted(known)[:_NAMED])
    return did_you_mean(word, known) or f"; there are {some}{', …' if len(known) > _NAMED else ''}"
