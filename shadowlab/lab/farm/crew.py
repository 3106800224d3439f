"""The crew of a sweep over hosts: gives errands to workers through their scheduler and takes the figures.

In: errands, a scheduler's address, credentials.  Out: figures.  Never: more errands under way than there are workers.

Dask's scheduler connects, finds out who is there and carries bytes; *what runs where* is decided in
:mod:`shadowlab.lab.farm.dispatch`, for Dask neither starts a slow task a second time nor takes one that is bound to a
worker away from it when that is lost.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest.cache import BuiltKernel
from shadowlab.lab.ahead.crew import Crew, Errand, OnFigures, fault_of
from shadowlab.lab.execute import Place
from shadowlab.lab.farm.credentials import Credentials
from shadowlab.lab.farm.dispatch import Dispatch, Request, Start
from shadowlab.lab.farm.library import distributed, security
from shadowlab.lab.farm.parcel import pack, pack_kernel
from shadowlab.lab.farm.running import Reply, run_parcel
from shadowlab.lab.interrupt import Interrupted
from shadowlab.lab.progress import Progress
from shadowlab.model.plain import from_plain
from shadowlab.predict.sweep.figures import RunFigures

MEMORY = "shadowlab-memory"
"""The resource by which a worker says how much memory a guest of it may take, in bytes."""
_ERRANDS_OF_A_WORKER = 16
_LOOK_EVERY_S = 0.5
ANSWER_S = 30.0
"""Within which a scheduler answers who is there."""
PATIENCE_S = 60.0
"""So long a sweep waits for a worker that can run what waits."""


@dataclass(kw_only=True)
class FarmCrew:
    """``client`` is connected; see :func:`farm_of`."""

    client: Any
    kernel: BuiltKernel
    interrupted: Callable[[], bool]
    progress: Progress
    patience_s: float = PATIENCE_S
    here: bool = False
    dispatch: Dispatch = field(default_factory=Dispatch)
    _replies: queue.SimpleQueue[tuple[Start, Any]] = field(default_factory=queue.SimpleQueue)
    _futures: dict[Start, Any] = field(default_factory=dict)
    _numbers: int = 0
    _tasks: int = 0

    @property
    def at_a_time(self) -> int:
        return _ERRANDS_OF_A_WORKER * max(1, len(self._there()))

    def run(self, errands: Sequence[Errand], on_figures: OnFigures) -> None:
        first, self._numbers = self._numbers, self._numbers + len(errands)
        own = {first + index: one for index, one in enumerate(errands)}
        parcels = {number: pack(one, self.kernel) for number, one in own.items()}
        self.dispatch.add(
            Request(number=number, expected_s=one.prepared.cost.wall_s, memory_bytes=one.memory_bytes)
            for number, one in own.items()
        )

        def settled(number: int, figures: RunFigures, good: bool) -> None:
            del parcels[number]
            self.progress.work(own[number].name, 1.0)
            on_figures(number - first, figures, good)

        looked_s = since_stuck_s = -1.0
        while parcels:
            if self.interrupted():
                raise Interrupted
            now_s = time.monotonic()
            if now_s - looked_s >= _LOOK_EVERY_S:
                looked_s = now_s
                self._look(own, settled)
                stuck = self.dispatch.stuck()
                since_stuck_s = now_s if stuck is None or since_stuck_s < 0 else since_stuck_s
                if stuck is not None and now_s - since_stuck_s > self.patience_s:
                    raise CannotRunError(f"for {self.patience_s:.0f} s nobody in the farm could run the sweep: {stuck}")
            for start in self.dispatch.turn(now_s):
                self._submit(start, parcels[start.number], None)
            with suppress(queue.Empty):
                start, future = self._replies.get(timeout=0.1)
                self._answer(start, future, own, parcels, settled)

    def _look(self, own: dict[int, Errand], settled: Callable[[int, RunFigures, bool], None]) -> None:
        for number, why in self.dispatch.seen(self._there()).items():
            settled(number, fault_of(own[number], why), False)
        for start in [one for one in self._futures if one.worker not in self.dispatch.workers]:
            self._futures.pop(start).release()  # the library would keep it for a worker of that address

    def _answer(
        self,
        start: Start,
        future: Any,
        own: dict[int, Errand],
        parcels: dict[int, Any],
        settled: Callable[[int, RunFigures, bool], None],
    ) -> None:
        if self._futures.pop(start, None) is None:
            return  # its worker is lost
        number, worker = start.number, start.worker
        if future.status != "finished":
            self._failed(start, f"{worker}: {future.exception()}", own, settled)
            return
        reply: Reply = future.result()
        outcome = reply["outcome"]
        if outcome == "needs kernel" and number in parcels:
            self._submit(start, parcels[number], pack_kernel(self.kernel))
        elif outcome == "cannot":
            self.dispatch.cannot(worker, number, reply["why"])
        elif outcome == "figures":
            if self.dispatch.done(worker, number, time.monotonic()):
                settled(number, from_plain(RunFigures, reply["figures"]), True)
        else:
            self._failed(start, str(reply.get("why")), own, settled)

    def _failed(
        self, start: Start, why: str, own: dict[int, Errand], settled: Callable[[int, RunFigures, bool], None]
    ) -> None:
        told = self.dispatch.failed(start.worker, start.number, why)
        if told is not None:
            settled(start.number, fault_of(own[start.number], told), False)

    def _submit(self, start: Start, parcel: Any, kernel: Any) -> None:
        self._tasks += 1
        future = self.client.submit(
            run_parcel,
            parcel,
            kernel,
            key=f"shadowlab-{os.getpid()}-{self._tasks}-{parcel.kernel[:8]}",
            workers=[start.worker],
            pure=False,
        )
        self._futures[start] = future
        future.add_done_callback(lambda ended: self._replies.put((start, ended)))

    def _there(self) -> dict[str, int]:
        """Every worker that is connected, with its memory."""
        try:
            return {address: memory for address, (_, memory) in workers_there(self.client).items()}
        except CannotRunError as error:
            raise CannotRunError(f"{error}; what was run is kept: the same command goes on from there") from error

    def close(self) -> None:
        """Let go of what still runs."""
        for future in self._futures.values():
            with suppress(Exception):
                future.release()


def farm_of(
    address: str, credentials: Credentials | None
) -> Callable[[Place, Callable[[], bool], Progress], AbstractContextManager[Crew]]:
    """The maker of a crew from that farm.  Raises CannotRunError where the library is not installed."""
    distributed()

    @contextmanager
    def made(place: Place, interrupted: Callable[[], bool], progress: Progress) -> Iterator[Crew]:
        if place.kernel is None or place.clock == "real":
            raise InputError("--scheduler: a sweep over hosts runs on the embedded kernel and the virtual clock")
        with connected(address, credentials, progress) as client:
            crew = FarmCrew(client=client, kernel=place.kernel, interrupted=interrupted, progress=progress)
            try:
                yield crew
            finally:
                crew.close()

    return made


def workers_there(client: Any) -> dict[str, tuple[str, int]]:
    """Name and memory of every worker at the scheduler, by its address.  Raises CannotRunError if nobody answers."""
    try:
        info = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_S)
    except Exception as error:  # the library has many ways to say that nobody answers
        raise CannotRunError(
            f"the scheduler of the farm does not answer any more ({type(error).__name__}: {error})"
        ) from error
    return {
        str(address): (str(one["name"]), int(one["resources"].get(MEMORY, 0)))
        for address, one in info["workers"].items()
        if one.get("status", "running") == "running"
    }


@contextmanager
def connected(address: str, credentials: Credentials | None, progress: Progress) -> Iterator[Any]:
    """A client.  Raises CannotRunError if nobody answers, or not to us."""
    progress.stage(f"connect to {address}")
    try:
        client = distributed().Client(address, security=security(credentials), timeout="15 s", set_as_default=False)
    except Exception as error:  # OSError, TimeoutError, ssl's and the library's own
        raise CannotRunError(
            f"the scheduler at {address} does not answer ({_first_line(error)}): is it there, and of the same farm?"
        ) from error
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=5)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
