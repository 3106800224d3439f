"""Who exchanges with whom.

In: lists of nodes, chance.  Out: pairs, never of a node with itself.  Never: a socket.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.model.traffic.chance import Chance


class Pairs:
    """Draws a source, alike among those that have a target, and a target, alike among its others."""

    def __init__(self, sources: Sequence[str], targets: Sequence[str], chance: Chance) -> None:
        self._sources = tuple(one for one in sources if any(other != one for other in targets))
        if not self._sources:
            raise ValueError("no two different nodes to exchange with")
        self._targets = tuple(targets)
        self._place = {node: index for index, node in enumerate(targets)}
        self._chance = chance

    def lead_to(self, targets: Sequence[str]) -> None:
        """Draw among these targets from now on.  Raises ValueError when a source would have none but itself."""
        if any(all(one == source for one in targets) for source in self._sources):
            raise ValueError("a client would have no server but itself")
        self._targets = tuple(targets)
        self._place = {node: index for index, node in enumerate(targets)}

    def draw(self) -> tuple[str, str]:
        """(source, target)."""
        source = self._sources[self._chance.below(len(self._sources))]
        own = self._place.get(source)
        if own is None:
            return source, self._targets[self._chance.below(len(self._targets))]
        index = self._chance.below(len(self._targets) - 1)
        return source, self._targets[index + (index >= own)]


class Turns:
    """Deals out the servers of each client in turn; clients begin one after the other at different places, so that
    the first connections of all of them are spread evenly."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = tuple(servers)
        self._next = 0

    def server_for(self, client: str) -> str:
        """The next server that is not the client itself.  Raises ValueError when there is none."""
        for _ in self._servers:
            server = self._servers[self._next % len(self._servers)]
            self._next += 1
            if server != client:
                return server
        raise ValueError(f"{client} has no server but itself")
