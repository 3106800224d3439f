"""Users of a closed loop: they think, ask, wait for the whole answer, and think again.

In: the specification, answers as they come, a factor.  Out: when each user asks next, whom, and over which connection.
Never: a socket, a timer.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.workload import Requests
from shadowlab.traffic.exchange.deciding.draws import Turns


class Ask(NamedTuple):
    """User ``user`` asks at ``at_ns``."""

    user: int
    at_ns: int


class Users:
    """All users of one workload: ``connections`` of each client, numbered through.

    The first question of each comes after a first time to think, so that they do not all come at once; a factor of
    demand divides the times to think, and at zero nobody asks until it rises.
    """

    def __init__(self, spec: Requests, *, seed: int, end_ns: int) -> None:
        self._spec = spec
        self._end_ns = end_ns
        self._chances: list[Chance] = []
        self.clients: list[str] = []
        """Whose user each is."""
        for client in spec.clients:
            if any(server != client for server in spec.servers):
                for number in range(spec.connections):
                    self.clients.append(client)
                    self._chances.append(Chance(seed, "workload", spec.name, "user", client, number))
        self._turns = Turns(spec.servers)
        self._servers: list[str] = [""] * len(self.clients)
        self._asked = [0] * len(self.clients)
        self._moved = [False] * len(self.clients)
        self._factor = 1.0
        self._silent: list[int] = []

    def begin(self) -> list[Ask]:
        """When each asks first."""
        return [ask for user in range(len(self.clients)) if (ask := self._next(user, self._spec.begin_ns)) is not None]

    def server_of(self, user: int) -> str:
        """Whom the user asks now: the same as long as the connection lasts, then the next in turn."""
        if not self._servers[user]:
            self._servers[user] = self._turns.server_for(self.clients[user])
        return self._servers[user]

    def lead_to(self, servers: Sequence[str]) -> None:
        """Deal out these servers from now on, with each connection that is opened.  Raises ValueError when a client
        would have none but itself."""
        if any(all(one == client for one in servers) for client in self.clients):
            raise ValueError("a client would have no server but itself")
        self._turns = Turns(servers)
        self._moved = [server not in servers for server in self._servers]

    def answered(self, user: int, now_ns: int, *, alive: bool) -> tuple[Ask | None, bool]:
        """The exchange is over: when the user asks next, and whether its connection is kept for that.  ``alive`` says
        whether there still is one."""
        self._asked[user] += 1
        limit = self._spec.requests_per_connection
        keep = alive and not (limit and self._asked[user] >= limit) and not self._moved[user]
        if not keep:
            self._asked[user] = 0
            self._servers[user] = ""
            self._moved[user] = False
        return self._next(user, now_ns), keep

    def scale(self, factor: float, now_ns: int) -> list[Ask]:
        """From now on users think 1/``factor`` as long; who asks anew because of it.  Raises ValueError below zero."""
        if factor < 0:
            raise ValueError(f"demand cannot be scaled by {factor:g}")
        self._factor = factor
        if factor == 0:
            return []
        silent, self._silent = self._silent, []
        return [ask for user in silent if (ask := self._next(user, now_ns)) is not None]

    def _next(self, user: int, now_ns: int) -> Ask | None:
        if self._factor == 0:
            self._silent.append(user)
            return None
        at_ns = now_ns + round(self._spec.think_ns.draw(self._chances[user]) / self._factor)
        return Ask(user, at_ns) if at_ns < self._end_ns else None
