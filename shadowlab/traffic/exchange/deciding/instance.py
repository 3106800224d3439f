"""An instance: so many workers, a queue in the order of arrival, a limit.

In: requests that arrive, services that end.  Out: which service begins and how long it takes.
Never: a clock, a timer, a socket.  Imported inside the guest: standard library only.

Service times are drawn as requests arrive, so that the k-th request takes as long whatever the others do and however
many workers there are (common random numbers between variants of a run).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.completion import InstanceSample
from shadowlab.model.traffic.workload import Compute


class Begun(NamedTuple):
    """The service of ``ticket`` has begun and ends at ``ends_ns``."""

    ticket: int
    ends_ns: int
    service_ns: int
    waited_ns: int


class Waiting(NamedTuple):
    """The request waits; :meth:`Instance.finish` will tell when its turn has come."""

    ticket: int


class Refused(NamedTuple):
    """The queue is full."""

    ticket: int


class Instance:
    """One node's :class:`~shadowlab.model.traffic.workload.Compute` at work.  Tickets are the caller's."""

    def __init__(self, compute: Compute, chance: Chance) -> None:
        self._compute = compute
        self._workers = compute.workers
        self._chance = chance
        self._queue: deque[tuple[int, int, int]] = deque()
        self._busy = 0
        self._arrived = self._begun = self._finished = self._refused = 0
        self._waited_ns = 0
        self._busy_ns = self._queue_ns = 0
        self._seen_ns = 0

    def arrive(self, now_ns: int, ticket: int) -> Begun | Waiting | Refused:
        """A request has come, whole."""
        self._pass(now_ns)
        self._arrived += 1
        service_ns = self._compute.service_ns.whole(self._chance)
        if self._busy < self._workers:
            return self._begin(now_ns, ticket, now_ns, service_ns)
        if self._compute.queue is not None and len(self._queue) >= self._compute.queue:
            self._refused += 1
            return Refused(ticket)
        self._queue.append((ticket, now_ns, service_ns))
        return Waiting(ticket)

    def finish(self, now_ns: int) -> Begun | None:
        """A service has ended: whose begins in its place, if anybody waits."""
        self._pass(now_ns)
        self._busy -= 1
        self._finished += 1
        if not self._queue or self._busy >= self._workers:
            return None
        ticket, arrived_ns, service_ns = self._queue.popleft()
        return self._begin(now_ns, ticket, arrived_ns, service_ns)

    def resize(self, workers: int, now_ns: int) -> list[Begun]:
        """From now on so many are served at once: whose service begins by it.  Raises ValueError below one."""
        if workers < 1:
            raise ValueError(f"an instance needs at least one worker, got {workers}")
        self._pass(now_ns)
        self._workers = workers
        begun = []
        while self._queue and self._busy < workers:
            begun.append(self._begin(now_ns, *self._queue.popleft()))
        return begun

    def sample(self, now_ns: int, node: str) -> InstanceSample:
        """What it looks like at ``now_ns``."""
        self._pass(now_ns)
        return InstanceSample(
            at_ns=now_ns,
            node=node,
            workers=self._workers,
            busy=self._busy,
            queued=len(self._queue),
            arrived=self._arrived,
            begun=self._begun,
            finished=self._finished,
            refused=self._refused,
            busy_ns=self._busy_ns,
            queue_ns=self._queue_ns,
            waited_ns=self._waited_ns,
        )

    def _begin(self, now_ns: int, ticket: int, arrived_ns: int, service_ns: int) -> Begun:
        self._busy += 1
        self._begun += 1
        self._waited_ns += now_ns - arrived_ns
        return Begun(ticket, now_ns + service_ns, service_ns, now_ns - arrived_ns)

    def _pass(self, now_ns: int) -> None:
        passed = now_ns - self._seen_ns
        if passed > 0:
            self._busy_ns += passed * self._busy
            self._queue_ns += passed * len(self._queue)
            self._seen_ns = now_ns
