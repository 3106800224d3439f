"""Work that was announced: what is drained is out of service on purpose.

In: events, the network.  Out: which links are out of service when.  Never: a judgement of what else happens meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shadowlab.lab.events.event import Event
from shadowlab.lab.events.steps import CONVERGENCE_NS
from shadowlab.lab.events.subjects import links_of
from shadowlab.model.network import Network
from shadowlab.model.verdict import FaultDomain

_WINDOW_NS = 1_000_000_000
"""An onset is the end of a window of a second, and the window may have begun before the work."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A drain, from its beginning until its links carry packets again, or the run ends."""

    name: str
    links: frozenset[str]
    from_ns: int
    to_ns: int


def planned_work(events: Sequence[Event], network: Network, duration_ns: int) -> tuple[Planned, ...]:
    """Every drain, in the order of time."""
    found = []
    for event in events:
        if event.kind == "drain":
            links = frozenset(links_of(event.name, network))
            back = [
                one.at_ns + CONVERGENCE_NS
                for one in events
                if one.kind in ("undrain", "restore")
                and one.at_ns > event.at_ns
                and links <= set(links_of(one.name, network))
            ]
            found.append(
                Planned(name=event.name, links=links, from_ns=event.at_ns, to_ns=min(back, default=duration_ns))
            )
    return tuple(found)


def behind(domain: FaultDomain | None, planned: Sequence[Planned]) -> tuple[Planned, ...]:
    """The planned work that a fault domain is due to: under way at its onset, on all of its links.

    Of a domain without a link, all work that was under way: what left its baseline may have been led another way.
    """
    if domain is None:
        return ()
    under_way = [one for one in planned if one.from_ns - _WINDOW_NS <= domain.onset_ns <= one.to_ns + _WINDOW_NS]
    touched: frozenset[str] = frozenset().union(*(one.links for one in under_way))
    if not touched >= set(domain.links):
        return ()
    return tuple(one for one in under_way if not domain.links or one.links & set(domain.links))
