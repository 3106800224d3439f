"""What needs no statistics: ways that lead in a circle, and components that nothing passes any more.

In: recorded ways, a fault domain, which paths are silent.  Out: directions of a loop; the domain, with its losses
called a black hole where that is what they are.  Never: a component that was not suspected already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from shadowlab.model.network import Direction
from shadowlab.model.verdict import FaultDomain, Suspect

Way = tuple[int, str, tuple[Direction, ...]]
"""Since when, of which path, the directions crossed: as far as a packet comes."""


def looped_directions(ways: Iterable[Way], from_ns: int, to_ns: int) -> dict[Direction, int]:
    """The directions in which packets go round since a moment in (from, to], each with the first such moment: those of
    a way that comes back to a node, from that node on."""
    found: dict[Direction, int] = {}
    for since, _, hops in ways:
        if from_ns < since <= to_ns:
            for one in _circle(hops):
                found.setdefault(one, since)
    return dict(sorted(found.items()))


def _circle(hops: Sequence[Direction]) -> Sequence[Direction]:
    if not hops:
        return ()
    first = next((place for place, one in enumerate(hops) if one.source == hops[-1].target), len(hops))
    return hops[first:]


def with_black_holes(
    domain: FaultDomain, crossing: Mapping[str, Collection[Direction]], silent: Collection[str]
) -> FaultDomain:
    """A suspect for loss through which no path comes any more is a black hole.

    ``crossing`` has the directions of each path's probes, there and back; ``silent`` are the paths of which no probe
    came back lately.  Its loss is stated as estimated over the whole window, in which it may have begun later.
    """
    suspects = tuple(
        replace(one, fault="black hole") if _holds_all(one, crossing, silent) else one for one in domain.suspects
    )
    if not suspects or suspects == domain.suspects:
        return domain
    whole = all(one.fault == "black hole" for one in suspects)
    return replace(domain, suspects=suspects, kind="black hole" if whole else domain.kind)


def _holds_all(suspect: Suspect, crossing: Mapping[str, Collection[Direction]], silent: Collection[str]) -> bool:
    """Of a class of alternatives each may be the one, and all of them are crossed by the same paths."""
    if suspect.loss <= 0:
        return False
    own = [path for path, directions in crossing.items() if set(suspect.directions) & set(directions)]
    return bool(own) and all(path in silent for path in own)
