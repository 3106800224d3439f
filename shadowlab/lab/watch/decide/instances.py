"""Which instances appeared, left or moved since the last cycle: said as such, and no fault.

In: where each hung, the map, who was heard.  Out: changes, and what is known now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from shadowlab.model.network import Network
from shadowlab.model.watch.cycle import InstanceChange

LEFT_AFTER = 3
"""Cycles in a row without a word; one alone is a late batch."""


class Known(NamedTuple):
    """``places``: by instance, the nodes it hangs at (and a mark where it is only of the telemetry); ``silent``:
    cycles in a row without a word."""

    places: dict[str, str]
    silent: dict[str, int]
    changes: tuple[InstanceChange, ...]


def attached_at(network: Network) -> dict[str, str]:
    """By host, the neighbours it is linked to, as text."""
    found: dict[str, set[str]] = {node.id: set() for node in network.nodes if node.kind == "host"}
    for link in network.links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            if here in found:
                found[here].add(there)
    return {host: " ".join(sorted(some)) for host, some in found.items()}


UNPLACED = "not on the map"


def instances_now(
    places: Mapping[str, str], silent: Mapping[str, int], network: Network, heard: Collection[str]
) -> Known:
    """``places`` empty: the first cycle, in which nothing has changed."""
    on_map = attached_at(network)
    labels = {node.label: node.id for node in network.nodes if node.label}
    named = {labels.get(one, one) for one in heard}
    now = on_map | dict.fromkeys(sorted(named - set(on_map)), UNPLACED)
    changes = []
    for one in sorted(set(now) | set(places)):
        old, new = places.get(one), now.get(one)
        if not places or old == new:
            continue
        if old is None:
            where = f"at {new}" if new != UNPLACED else "it sends telemetry, and the map does not know it"
            changes.append(InstanceChange(instance=one, kind="appeared", detail=where))
        elif new is None and old != UNPLACED:
            changes.append(InstanceChange(instance=one, kind="left", detail=f"the map has it no more; it was at {old}"))
        elif new is not None:
            changes.append(InstanceChange(instance=one, kind="moved", detail=f"from {old} to {new}"))
    spoke = {one for one in silent if one in now}
    counts = {one: 0 if one in named else silent[one] + 1 for one in spoke}
    counts |= dict.fromkeys(sorted(named), 0)
    for one, count in sorted(counts.items()):
        if count == LEFT_AFTER:
            words = f"no telemetry of it for {count} cycles"
            changes.append(InstanceChange(instance=one, kind="left", detail=words))
        elif count == 0 and silent.get(one, 0) >= LEFT_AFTER:
            changes.append(InstanceChange(instance=one, kind="appeared", detail="its telemetry comes again"))
    return Known(places=now, silent=counts, changes=tuple(changes))
