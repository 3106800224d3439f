"""An instance whose requests share its workers: processor sharing, as a server with a thread for each request.

In: requests that arrive, moments.  Out: which have been served, when the next one will be.
Never: a clock, a timer, a socket.  Imported inside the guest: standard library only.

Of n requests each is served at the rate min(1, workers / n) (Kleinrock, Time-shared systems, JACM 1967).  All get the
same, so one counter of service per request tells who is done: a request that came when it stood at V, and takes S, is
done when it stands at V + S.  What a request takes is drawn as it arrives, as in
:mod:`~shadowlab.traffic.exchange.deciding.instance`.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.completion import InstanceSample
from shadowlab.model.traffic.workload import Compute

_ROUNDING_NS = 0.5
"""The counter of service is a float: after a day it is exact to a sixtieth of a nanosecond."""


class Served(NamedTuple):
    """A request is done: what it took, and how much longer because others were there."""

    ticket: int
    service_ns: int
    waited_ns: int


class SharedInstance:
    """One node's compute model of the discipline ``shared``.  Tickets are the caller's."""

    def __init__(self, compute: Compute, chance: Chance) -> None:
        self._compute = compute
        self._workers = compute.workers
        self._chance = chance
        self._work = 0.0
        """Nanoseconds of service that each request there from the beginning would have got."""
        self._present: list[tuple[float, int, int, int]] = []
        self._arrived = self._finished = self._refused = 0
        self._waited_ns = self._busy_ns = self._queue_ns = 0
        self._seen_ns = 0
        self.changes = 0
        """Grows whenever what :meth:`due_ns` says may have become another moment."""

    def arrive(self, now_ns: int, ticket: int) -> bool:
        """A request has come, whole; False where it is refused: workers and queue have no room for more."""
        self._pass(now_ns)
        self._arrived += 1
        service_ns = self._compute.service_ns.whole(self._chance)
        if self._compute.queue is not None and len(self._present) >= self._workers + self._compute.queue:
            self._refused += 1
            return False
        self.changes += 1
        heapq.heappush(self._present, (self._work + service_ns, ticket, now_ns, service_ns))
        return True

    def due_ns(self) -> int | None:
        """When the next one is done, unless another arrives; None: nobody is there.  Never before it is done."""
        if not self._present:
            return None
        left = max(self._present[0][0] - self._work, 0.0)
        return self._seen_ns + -int(-left / self._rate() // 1)

    def finish(self, now_ns: int) -> list[Served]:
        """Those that are done by now, in the order of it."""
        self._pass(now_ns)
        self.changes += 1
        done = []
        while self._present and self._present[0][0] <= self._work + _ROUNDING_NS:
            _, ticket, came_ns, service_ns = heapq.heappop(self._present)
            waited_ns = max(now_ns - came_ns - service_ns, 0)
            self._finished += 1
            self._waited_ns += waited_ns
            done.append(Served(ticket, service_ns, waited_ns))
        return done

    def resize(self, workers: int, now_ns: int) -> None:
        """From now on so many workers are shared.  Raises ValueError below one."""
        if workers < 1:
            raise ValueError(f"an instance needs at least one worker, got {workers}")
        self._pass(now_ns)
        self.changes += 1
        self._workers = workers

    def sample(self, now_ns: int, node: str) -> InstanceSample:
        """What it looks like at ``now_ns``: those beyond the workers count as waiting."""
        self._pass(now_ns)
        busy = min(len(self._present), self._workers)
        return InstanceSample(
            at_ns=now_ns,
            node=node,
            workers=self._workers,
            busy=busy,
            queued=len(self._present) - busy,
            arrived=self._arrived,
            begun=self._arrived - self._refused,
            finished=self._finished,
            refused=self._refused,
            busy_ns=self._busy_ns,
            queue_ns=self._queue_ns,
            waited_ns=self._waited_ns,
        )

    def _rate(self) -> float:
        return min(1.0, self._workers / len(self._present))

    def _pass(self, now_ns: int) -> None:
        passed = now_ns - self._seen_ns
        if passed <= 0:
            return
        self._seen_ns = now_ns
        if self._present:
            busy = min(len(self._present), self._workers)
            self._busy_ns += passed * busy
            self._queue_ns += passed * (len(self._present) - busy)
            self._work += passed * self._rate()
