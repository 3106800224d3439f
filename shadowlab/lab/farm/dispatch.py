"""Which worker gets which errand, and what becomes of errands whose worker fails them.

In: workers that come and go, errands, their ends, the time.  Out: what to start where; what is settled.
Never: an effect, a clock; two errands on one worker; an errand given up for a worker's fault before three workers
had it.

An errand is given to one worker at a time.  When nothing waits any more, one that takes much longer than others did
for their expected time is started on a second worker as well; whoever ends first counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

MOST_LOSSES = 3
"""Workers that may be lost under one errand: an errand that kills is not handed round the whole farm."""
MOST_FAILURES = 2
"""Times that a shadow may fail."""
SLOW = 3.0
SLOW_LEAST_S = 5.0
"""A straggler takes longer than SLOW times what others took for the like of it, and SLOW_LEAST_S more."""
UNKNOWN_RATIO = 5.0
"""Wall time by expected time, as long as nothing has ended."""
_REMEMBERED = 200


@dataclass(frozen=True, kw_only=True)
class Request:
    """An errand as far as it matters here."""

    number: int
    expected_s: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Start:
    """Start errand ``number`` on ``worker``."""

    number: int
    worker: str
    again: bool = False
    """It runs elsewhere as well, and too slowly."""


@dataclass(kw_only=True)
class _Running:
    number: int
    since_s: float


@dataclass(kw_only=True)
class Dispatch:
    """``workers``: memory of each, by address.  ``refused``: workers that cannot run errands, and why."""

    workers: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    repeated: int = 0
    """Errands that were started a second time because the first was slow."""
    _requests: dict[int, Request] = field(default_factory=dict)
    _waiting: deque[int] = field(default_factory=deque)
    _running: dict[str, _Running] = field(default_factory=dict)
    _failures: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    _losses: dict[int, int] = field(default_factory=dict)
    _ratios: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def add(self, requests: Iterable[Request]) -> None:
        """More to do.  Numbers are never used again."""
        for one in requests:
            self._requests[one.number] = one
            self._waiting.append(one.number)

    @property
    def open(self) -> int:
        """How many errands are not settled."""
        return len(self._requests)

    def seen(self, there: dict[str, int]) -> dict[int, str]:
        """The workers that are there now.  What is given up because too many were lost under it, and why."""
        given_up: dict[int, str] = {}
        for worker in sorted(self.workers.keys() - there.keys()):
            one = self._running.pop(worker, None)
            if one is None or one.number not in self._requests:
                continue
            self.lost += 1
            self._losses[one.number] = self._losses.get(one.number, 0) + 1
            if self._runs(one.number):
                continue
            if self._losses[one.number] >= MOST_LOSSES:
                given_up[one.number] = f"{MOST_LOSSES} workers were lost while they ran it"
                self._settle(one.number)
            else:
                self._waiting.appendleft(one.number)
        self.workers = dict(there)
        self.refused = {worker: why for worker, why in self.refused.items() if worker in there}
        return given_up

    def done(self, worker: str, number: int, now_s: float) -> bool:
        """It ended well.  Whether that is news."""
        running = self._free(worker, number)
        if number not in self._requests:
            return False
        if running is not None:
            self._ratios.append((now_s - running.since_s) / max(self._requests[number].expected_s, 1e-3))
        self._settle(number)
        return True

    def failed(self, worker: str, number: int, why: str) -> str | None:
        """The shadow failed there.  What is told of it if nobody is to try again."""
        self._free(worker, number)
        if number not in self._requests:
            return None
        failures = self._failures.setdefault(number, [])
        failures.append((worker, why))
        if len(failures) >= MOST_FAILURES:
            self._settle(number)
            return why
        if not self._runs(number):
            self._waiting.append(number)
        return None

    def cannot(self, worker: str, number: int, why: str) -> None:
        """The worker can run nothing: it gets nothing any more."""
        self._free(worker, number)
        self.refused[worker] = why
        if number in self._requests and not self._runs(number):
            self._waiting.appendleft(number)

    def turn(self, now_s: float) -> list[Start]:
        """What to start now; it counts as started."""
        found: list[Start] = []
        for _ in range(len(self._waiting)):
            number = self._waiting.popleft()
            worker = self._idle_for(number)
            if worker is None:
                self._waiting.append(number)
            else:
                found.append(self._start(number, worker, now_s, again=False))
        if not self._waiting:
            for number in self._slow(now_s):
                worker = self._idle_for(number)
                if worker is not None:
                    self.repeated += 1
                    found.append(self._start(number, worker, now_s, again=True))
        return found

    def stuck(self) -> str | None:
        """Why nobody who is there will ever run what waits; None where somebody may."""
        if not self._waiting or self._running:
            return None
        fit = {worker: memory for worker, memory in self.workers.items() if worker not in self.refused}
        if not fit:
            return "; ".join(sorted(set(self.refused.values()))) or "there is no worker"
        need = min(self._requests[number].memory_bytes for number in self._waiting)
        if need > max(fit.values()):
            return f"an errand needs {need >> 20} MiB, and no worker has more than {max(fit.values()) >> 20} MiB"
        return None

    def _idle_for(self, number: int) -> str | None:
        tried = {worker for worker, _ in self._failures.get(number, ())}
        need = self._requests[number].memory_bytes
        idle = [
            worker
            for worker, memory in self.workers.items()
            if worker not in self._running and worker not in self.refused and memory >= need
        ]
        # Elsewhere than where it failed, if there is an elsewhere.
        return min(idle, key=lambda worker: (worker in tried, worker), default=None)

    def _slow(self, now_s: float) -> list[int]:
        ratio = median(self._ratios) if self._ratios else UNKNOWN_RATIO
        found = []
        for worker, one in sorted(self._running.items()):
            if one.number not in self._requests or self._runs(one.number) > 1:
                continue
            usual_s = ratio * self._requests[one.number].expected_s
            if now_s - one.since_s > SLOW * usual_s + SLOW_LEAST_S and worker in self.workers:
                found.append(one.number)
        return found

    def _runs(self, number: int) -> int:
        return sum(one.number == number for one in self._running.values())

    def _start(self, number: int, worker: str, now_s: float, *, again: bool) -> Start:
        self._running[worker] = _Running(number=number, since_s=now_s)
        return Start(number=number, worker=worker, again=again)

    def _free(self, worker: str, number: int) -> _Running | None:
        running = self._running.get(worker)
        if running is None or running.number != number:
            return None  # it was counted as lost meanwhile
        return self._running.pop(worker)

    def _settle(self, number: int) -> None:
        del self._requests[number]
        if number in self._waiting:
            self._waiting.remove(number)  # its lost worker came back with it
        self._failures.pop(number, None)
        self._losses.pop(number, None)
