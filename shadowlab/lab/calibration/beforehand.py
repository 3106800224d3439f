"""What a map says of its links before any telemetry is looked at: stated delays and rates, distances, floors.

In: a network.  Out: arrays by direction, in map order.  Never: a default taken for a statement.
"""

from __future__ import annotations

import numpy as np

from shadowlab.calibrate.links.delay import DelayPrior
from shadowlab.model.network import Link, Network
from shadowlab.topology.geography import FIBRE_NS_PER_KM, great_circle_km

VACUUM_NS_PER_KM = 3336
"""Light in a vacuum: nothing is faster, whatever the medium."""
_STATED, _FROM_DISTANCE, _UNSTATED = 0.1, 0.5, float("nan")
"""By how much a delay may be off that a map states, and one that follows from a distance: fibres make detours."""


def delay_prior(network: Network) -> DelayPrior:
    """By direction.  A delay of 0, or one that is a reader's default, is no statement."""
    directions = network.directions
    number = {one: index for index, one in enumerate(directions)}
    origins = _origins(network, "delay")
    stated, doubt, floor = (np.full(len(directions), np.nan) for _ in range(3))
    for index, direction in enumerate(directions):
        link = network.links_by_id[direction.link]
        delay = network.impairment(direction).delay_ns
        origin = origins.get(link.id)
        from_distance = origin is not None and " km" in origin
        if delay > 0 and (origin is None or from_distance):
            stated[index] = delay
        doubt[index] = _FROM_DISTANCE if from_distance else _STATED
        floor[index] = _floor_ns(network, link)
        if from_distance and "great circle" not in (origin or ""):
            floor[index] = max(floor[index], delay * VACUUM_NS_PER_KM / FIBRE_NS_PER_KM)
    return DelayPrior(
        stated_ns=stated,
        doubt=doubt,
        floor_ns=floor,
        access=np.array([network.is_access(network.links_by_id[one.link]) for one in directions], dtype=np.bool_),
        reverse=np.array([number[one.reverse] for one in directions], dtype=np.int64),
        link=np.array([index // 2 for index in range(len(directions))], dtype=np.int64),
        sending_ns=np.zeros(len(directions)),
    )


def stated_rates(network: Network) -> tuple[int | None, ...]:
    """By direction; None where the map leaves the rate open, or a reader's default stands in its place."""
    origins = _origins(network, "rate")
    return tuple(None if one.link in origins else network.impairment(one).rate_bps for one in network.directions)


def _origins(network: Network, what: str) -> dict[str, str]:
    """By link, where its delay (or rate) came from if the map did not state it."""
    return {
        one.subject.removeprefix("link "): one.origin
        for one in network.derived
        if one.subject.startswith("link ") and f"{what} " in one.value
    }


def _floor_ns(network: Network, link: Link) -> float:
    ends = [network.nodes_by_id[one] for one in (link.a, link.b)]
    places = [(one.latitude, one.longitude) for one in ends if one.latitude is not None and one.longitude is not None]
    if len(places) < 2:
        return 0.0
    (one_lat, one_lon), (other_lat, other_lon) = places
    assert one_lat is not None and one_lon is not None and other_lat is not None and other_lon is not None
    return great_circle_km((one_lat, one_lon), (other_lat, other_lon)) * VACUUM_NS_PER_KM
