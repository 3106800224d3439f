"""One thread, one epoll loop, exact timers.

In: file descriptors with callbacks, and moments with callbacks.  Out: the callbacks called, in an order that is the
same in every run: timers by due time and then by the order of their registration, descriptors by that of theirs.
Never: a callback in another thread, a wait of its own making, lateness that is not accounted for.

Python's ``epoll.poll`` counts in milliseconds and the kernel adds slack to every epoll time-out, so moments go through
a timerfd, which fires to the nanosecond.  A system call costs microseconds inside the guest, hence the *lazy*
descriptors: looked at together, every ``lazy_every_ns``, instead of waking the loop each time something arrives.

A callback that makes no progress would spin for ever (on the virtual clock literally so: time passes only while
everyone sleeps).  Therefore a descriptor's callback answers whether it made progress, and the loop raises, naming it,
when it did not :data:`SPIN_LIMIT` times in a row.  (The idea is mahimahi's.)
"""

from __future__ import annotations

import ctypes
import errno
import heapq
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.clock import Clock, KernelClock

SPIN_LIMIT = 100
"""Calls of one descriptor's callback in a row without progress before the loop raises."""

STILL_LIMIT = 100_000
"""Wake-ups or timers in a row during which the clock moved by less than a microsecond before the loop raises."""

LAZY_EVERY_NS = 50_000_000

TimerCallback = Callable[[int], None]
"""Called with the moment it was due (not the moment it is called), so that periods do not drift."""

EventCallback = Callable[[int], bool]
"""Called with the epoll event mask; answers whether it made progress."""


class Waiter(Protocol):
    """Where the loop sleeps."""

    def watch(self, fd: int, events: int, *, lazy: bool) -> None: ...
    def change(self, fd: int, events: int, *, lazy: bool) -> None: ...
    def forget(self, fd: int, *, lazy: bool) -> None: ...
    def wait(self, until_ns: int) -> list[tuple[int, int]]:
        """Sleep until a descriptor is ready or ``until_ns`` has come; (descriptor, events) of those ready."""

    def look(self) -> list[tuple[int, int]]:
        """The lazy descriptors that are ready now."""

    def close(self) -> None: ...


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_TFD_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC


class KernelWaiter:
    """Two epoll sets, prompt and lazy, and a timerfd in the prompt one."""

    def __init__(self) -> None:
        # Python 3.11 has no os.timerfd_create; 3.13 does.
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_FLAGS)
        if self._timer < 0:
            raise _refused("create a timer (timerfd_create)")
        self._prompt = select.epoll()
        self._lazy = select.epoll()
        self._spec = _TimerSpec()
        self._armed_ns = -1
        # Edge-triggered: arming it anew makes it ready anew, so it need never be read.
        self._prompt.register(self._timer, select.EPOLLIN | select.EPOLLET)

    def watch(self, fd: int, events: int, *, lazy: bool) -> None:
        (self._lazy if lazy else self._prompt).register(fd, events)

    def change(self, fd: int, events: int, *, lazy: bool) -> None:
        (self._lazy if lazy else self._prompt).modify(fd, events)

    def forget(self, fd: int, *, lazy: bool) -> None:
        (self._lazy if lazy else self._prompt).unregister(fd)

    def wait(self, until_ns: int) -> list[tuple[int, int]]:
        if until_ns != self._armed_ns:
            self._spec.value_s, self._spec.value_ns = divmod(max(until_ns, 1), 1_000_000_000)
            if self._libc.timerfd_settime(self._timer, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None) < 0:
                raise _refused(f"set a timer to {until_ns} ns (timerfd_settime)")
            self._armed_ns = until_ns
        ready = self._prompt.poll()
        timer = self._timer
        for fd, _ in ready:
            if fd == timer:
                self._armed_ns = -1
                return [one for one in ready if one[0] != timer]
        return ready

    def look(self) -> list[tuple[int, int]]:
        return self._lazy.poll(0)

    def close(self) -> None:
        self._prompt.close()
        self._lazy.close()
        if self._timer >= 0:
            os.close(self._timer)
            self._timer = -1


def _refused(tried: str) -> KernelRefusedError:
    number = ctypes.get_errno()
    return KernelRefusedError(tried=tried, errno_name=errno.errorcode.get(number, str(number)), why=os.strerror(number))


@dataclass(frozen=True, kw_only=True)
class Lateness:
    """How late timers were called: how many, the worst, and a bound (a power of two) that 99 % stayed below."""

    timers: int
    max_ns: int
    p99_ns: int


class _Watched:
    __slots__ = ("callback", "idle", "lazy", "name", "number")

    def __init__(self, number: int, name: str, callback: EventCallback, lazy: bool) -> None:
        self.number = number
        self.name = name
        self.callback = callback
        self.lazy = lazy
        self.idle = 0


class Loop:
    """The loop.  Enter it to open it; its owner calls :meth:`run_until` and nothing else blocks."""

    def __init__(
        self, *, clock: Clock | None = None, waiter: Waiter | None = None, lazy_every_ns: int = LAZY_EVERY_NS
    ) -> None:
        self.clock: Clock = clock if clock is not None else KernelClock()
        self._given_waiter = waiter
        self._waiter: Waiter | None = None
        self._lazy_every_ns = lazy_every_ns
        self._lazy_armed = False
        self._lazies = 0
        self._heap: list[tuple[int, int, TimerCallback]] = []
        self._count = 0
        self._watched: dict[int, _Watched] = {}
        self._now_ns = 0
        self._late_max_ns = 0
        self._late_buckets = [0] * 64
        self._taken_max_ns = 0
        self._taken_buckets = [0] * 64
        self._stopped = False

    def __enter__(self) -> Loop:
        self._waiter = self._given_waiter if self._given_waiter is not None else KernelWaiter()
        self.catch_up()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._waiter is not None:
            self._waiter.close()
            self._waiter = None

    @property
    def now_ns(self) -> int:
        """The moment of the last wake-up: on the virtual clock that is now, and costs no system call."""
        return self._now_ns

    def catch_up(self) -> int:
        """Read the clock, after work outside of the loop, which may have taken seconds; :attr:`now_ns` from here on."""
        self._now_ns = self.clock.now_ns()
        return self._now_ns

    @property
    def waiter(self) -> Waiter:
        """Where the loop sleeps; raises when the loop is not open."""
        if self._waiter is None:
            raise ShadowFailedError("the loop is not open: enter it with 'with' first")
        return self._waiter

    def at(self, when_ns: int, callback: TimerCallback) -> None:
        """Call ``callback(when_ns)`` at ``when_ns`` (monotonic); at once, and late, if that has passed."""
        self._count += 1
        heapq.heappush(self._heap, (when_ns, self._count, callback))

    def add(self, fd: int, events: int, callback: EventCallback, *, name: str, lazy: bool = False) -> None:
        """Watch ``fd`` (level-triggered).  ``name`` says in errors whose callback it is."""
        self.waiter.watch(fd, events, lazy=lazy)
        self._count += 1
        self._watched[fd] = _Watched(self._count, name, callback, lazy)
        if lazy:
            self._lazies += 1
            if not self._lazy_armed:
                self._lazy_armed = True
                # From a round moment on, so that the grid does not depend on who came first.
                self.at((self._now_ns // self._lazy_every_ns + 1) * self._lazy_every_ns, self._on_lazy)

    def modify(self, fd: int, events: int) -> None:
        """Watch ``fd`` for other events."""
        self.waiter.change(fd, events, lazy=self._watched[fd].lazy)

    def remove(self, fd: int, *, closing: bool = False) -> None:
        """Watch ``fd`` no more; events already collected for it are dropped.  ``closing``: it is closed right after,
        and nothing else holds the same open file; then the kernel forgets it by itself."""
        watched = self._watched.pop(fd)
        self._lazies -= watched.lazy
        if not closing:
            self.waiter.forget(fd, lazy=watched.lazy)

    def stop(self) -> None:
        """Let :meth:`run_until` return after the callback that is running."""
        self._stopped = True

    def run_until(self, until_ns: int) -> None:
        """Call what falls due up to and including ``until_ns``, and what becomes ready meanwhile."""
        self._stopped = False
        still = 0
        waiter, clock, heap = self.waiter, self.clock, self._heap
        self._now_ns = clock.now_ns()
        while not self._stopped:
            still += self._run_due(until_ns)
            if self._stopped or (self._now_ns >= until_ns and not (heap and heap[0][0] <= until_ns)):
                return
            ready = waiter.wait(min(heap[0][0], until_ns) if heap else until_ns)
            now_ns = clock.now_ns()
            still = still + 1 if now_ns - self._now_ns < 1_000 else 0
            if still > STILL_LIMIT:
                names = sorted({self._watched[fd].name for fd, _ in ready if fd in self._watched})
                raise ShadowFailedError(f"busy wait: time does not pass, last called: {', '.join(names) or 'timers'}")
            self._now_ns = now_ns
            if ready:
                self._call(ready)

    def look(self) -> None:
        """Serve the lazy descriptors now, until none is ready."""
        if self._lazies:
            while ready := self.waiter.look():
                self._call(ready)

    def lateness(self) -> Lateness:
        """Since the loop was made.  The first figure to look at before a result is believed."""
        return _lateness(self._whole_buckets(), max(self._late_max_ns, self._taken_max_ns))

    def take_lateness(self) -> Lateness:
        """Since it was last taken.  What is taken stays part of :meth:`lateness`."""
        taken = _lateness(self._late_buckets, self._late_max_ns)
        self._taken_buckets, self._taken_max_ns = self._whole_buckets(), max(self._late_max_ns, self._taken_max_ns)
        self._late_buckets, self._late_max_ns = [0] * 64, 0
        return taken

    def _whole_buckets(self) -> list[int]:
        return [taken + late for taken, late in zip(self._taken_buckets, self._late_buckets, strict=True)]

    def _run_due(self, until_ns: int) -> int:
        """Call the timers that are due; how many there were.  Raises when they arm themselves without end."""
        heap, called = self._heap, 0
        now_ns = min(self._now_ns, until_ns)
        while heap and heap[0][0] <= now_ns and not self._stopped:
            due_ns, _, callback = heapq.heappop(heap)
            late_ns = self._now_ns - due_ns
            self._late_buckets[late_ns.bit_length()] += 1
            if late_ns > self._late_max_ns:
                self._late_max_ns = late_ns
            callback(due_ns)
            called += 1
            if called > STILL_LIMIT:
                raise ShadowFailedError(f"busy wait: timer {_name(callback)} is due again and again at {due_ns} ns")
        return called

    def _call(self, ready: list[tuple[int, int]]) -> None:
        watched = self._watched
        found = [(watched[fd].number, fd, events) for fd, events in ready if fd in watched]
        if len(found) > 1:
            found.sort()
        for number, fd, events in found:
            one = watched.get(fd)
            # An earlier callback of this round may have removed it, or closed it and its number was given again.
            if one is None or one.number != number:
                continue
            if one.callback(events):
                one.idle = 0
                continue
            one.idle += 1
            if one.idle >= SPIN_LIMIT:
                raise ShadowFailedError(
                    f"busy wait: {one.name} ({_name(one.callback)}) was called {one.idle} times "
                    f"for events {events:#x} and made no progress"
                )

    def _on_lazy(self, due_ns: int) -> None:
        self._lazy_armed = self._lazies > 0
        if self._lazy_armed:
            self.look()
            self.at(due_ns + self._lazy_every_ns, self._on_lazy)


def _lateness(buckets: list[int], worst_ns: int) -> Lateness:
    total = sum(buckets)
    seen = 0
    for bits, count in enumerate(buckets):
        seen += count
        if total and seen >= 0.99 * total:
            return Lateness(timers=total, max_ns=worst_ns, p99_ns=min(1 << bits, worst_ns))
    return Lateness(timers=0, max_ns=0, p99_ns=0)


def _name(callback: object) -> str:
    return str(getattr(callback, "__qualname__", callback))
