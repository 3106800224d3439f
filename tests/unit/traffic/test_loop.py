"""The loop: order, time, lateness, and callbacks that make no progress."""

from __future__ import annotations

import os
import select
import socket

import pytest

from shadowlab.errors import ShadowFailedError
from shadowlab.kernel.clock import FakeClock, KernelClock
from shadowlab.kernel.loop import SPIN_LIMIT, Loop

MS = 1_000_000


class FakeWaiter:
    """Sleeps by moving the clock; ``ready`` says what is ready when, ``slack_ns`` how late it wakes."""

    def __init__(self, clock: FakeClock, ready: dict[int, list[tuple[int, int]]] | None = None) -> None:
        self.clock = clock
        self.ready = ready or {}
        self.lazily: list[list[tuple[int, int]]] = []
        self.slack_ns = 0
        self.watched: dict[int, int] = {}

    def watch(self, fd: int, events: int, *, lazy: bool) -> None:
        self.watched[fd] = events

    def change(self, fd: int, events: int, *, lazy: bool) -> None:
        self.watched[fd] = events

    def forget(self, fd: int, *, lazy: bool) -> None:
        del self.watched[fd]

    def wait(self, until_ns: int) -> list[tuple[int, int]]:
        due = sorted(when for when in self.ready if when <= until_ns)
        self.clock.move_to(max(due[0] if due else until_ns, self.clock.now_ns()) + self.slack_ns)
        return self.ready.pop(due[0]) if due else []

    def look(self) -> list[tuple[int, int]]:
        return self.lazily.pop(0) if self.lazily else []

    def close(self) -> None:
        return


def fake_loop(ready: dict[int, list[tuple[int, int]]] | None = None) -> tuple[Loop, FakeClock, FakeWaiter]:
    clock = FakeClock()
    waiter = FakeWaiter(clock, ready)
    return Loop(clock=clock, waiter=waiter), clock, waiter


def test_work_before_the_loop_runs_is_not_forgotten_by_its_clock() -> None:
    loop, clock, _ = fake_loop()

    with loop:
        clock.move_to(7_000 * MS)

        assert loop.catch_up() == loop.now_ns == 7_000 * MS


def test_timers_run_in_time_and_ties_in_the_order_of_their_registration() -> None:
    loop, clock, _ = fake_loop()
    called: list[tuple[str, int, int]] = []

    with loop:
        for name, when in (("late", 20), ("first", 10), ("second", 10), ("after the end", 31)):
            loop.at(when, lambda due, name=name: called.append((name, due, clock.now_ns())))  # type: ignore[misc]
        loop.run_until(30)

    assert called == [("first", 10, 10), ("second", 10, 10), ("late", 20, 20)]
    assert clock.now_ns() == 30


def test_a_timer_due_exactly_at_the_end_still_runs() -> None:
    loop, _, _ = fake_loop()
    called: list[int] = []

    with loop:
        loop.at(30, called.append)
        loop.run_until(30)

    assert called == [30]


def test_a_wake_up_later_than_a_timer_beyond_the_end_still_ends_the_run() -> None:
    loop, _, waiter = fake_loop()
    waiter.slack_ns = 20
    called: list[int] = []

    with loop:
        loop.at(35, called.append)
        loop.run_until(30)

    assert called == []


def test_descriptors_ready_together_are_called_in_the_order_of_their_registration() -> None:
    loop, _, _ = fake_loop({5: [(7, 1), (3, 1), (9, 1)]})
    called: list[int] = []

    with loop:
        for fd in (9, 7, 3):
            loop.add(fd, 1, lambda events, fd=fd: called.append(fd) is None, name=str(fd))  # type: ignore[misc]
        loop.run_until(10)

    assert called == [9, 7, 3]


def test_a_descriptor_removed_by_an_earlier_callback_of_the_round_is_not_called() -> None:
    loop, _, _ = fake_loop({5: [(3, 1), (4, 1)]})
    called: list[int] = []

    def first(events: int) -> bool:
        loop.remove(4)
        return True

    with loop:
        loop.add(3, 1, first, name="first")
        loop.add(4, 1, lambda events: called.append(4) is None, name="second")
        loop.run_until(10)

    assert called == []


def test_what_is_about_to_be_closed_is_left_to_the_kernel_to_forget() -> None:
    loop, _, waiter = fake_loop()

    with loop:
        for fd in (3, 4):
            loop.add(fd, 1, lambda events: True, name="x")
        loop.remove(3)
        loop.remove(4, closing=True)

    assert list(waiter.watched) == [4]


def test_lateness_is_measured() -> None:
    loop, _, waiter = fake_loop()
    waiter.slack_ns = 300

    with loop:
        for when in range(1_000, 101_000, 1_000):
            loop.at(when, lambda due: None)
        loop.run_until(200_000)

    late = loop.lateness()
    assert (late.timers, late.max_ns, late.p99_ns) == (100, 300, 300)


def test_lateness_that_was_taken_counts_once_and_stays_part_of_the_whole() -> None:
    loop, _, waiter = fake_loop()

    with loop:
        for slack_ns, until_ns in ((700, 10_000), (300, 20_000), (0, 30_000)):
            waiter.slack_ns = slack_ns
            loop.at(until_ns - 5_000, lambda due: None)
            loop.run_until(until_ns)
            taken = loop.take_lateness()
            assert (taken.timers, taken.max_ns) == (1, slack_ns)

    assert (loop.lateness().timers, loop.lateness().max_ns) == (3, 700)
    assert loop.take_lateness().timers == 0


def test_a_loop_that_has_run_nothing_is_not_late() -> None:
    assert Loop().lateness().timers == 0


def test_a_callback_without_progress_is_named() -> None:
    loop, _, _ = fake_loop({when: [(3, 1)] for when in range(1, 10 * SPIN_LIMIT)})

    with loop, pytest.raises(ShadowFailedError, match=r"busy wait: flow f7, sender .* 100 times .* no progress"):
        loop.add(3, 1, lambda events: False, name="flow f7, sender")
        loop.run_until(10_000)


def test_a_timer_that_arms_itself_without_time_passing_is_named() -> None:
    loop, _, _ = fake_loop()

    def again(due_ns: int) -> None:
        loop.at(due_ns, again)

    with loop, pytest.raises(ShadowFailedError, match=r"busy wait: timer .*again is due again and again"):
        loop.at(5, again)
        loop.run_until(10)


def test_lazy_descriptors_are_looked_at_on_round_moments_until_none_is_ready() -> None:
    loop, clock, waiter = fake_loop()
    waiter.lazily = [[(4, 1), (3, 1)], [(3, 1)], [], []]
    called: list[tuple[int, int]] = []

    with loop:
        for fd in (3, 4):
            loop.add(fd, 1, lambda _, fd=fd: called.append((clock.now_ns(), fd)) is None, name="r", lazy=True)  # type: ignore[misc]
        loop.run_until(120 * MS)

    assert called == [(50 * MS, 3), (50 * MS, 4), (50 * MS, 3)]


def test_a_loop_that_is_not_open_says_so() -> None:
    with pytest.raises(ShadowFailedError, match="the loop is not open"):
        Loop().run_until(5)


def test_the_kernel_wakes_the_loop_for_bytes_and_for_timers() -> None:
    clock = KernelClock()
    left, right = socket.socketpair()
    seen: list[bytes] = []

    def on_bytes(events: int) -> bool:
        assert events & select.EPOLLIN
        seen.append(right.recv(100))
        if len(seen) == 2:
            loop.stop()
        return True

    with left, right, Loop() as loop:
        start_ns = clock.now_ns()
        loop.add(right.fileno(), select.EPOLLIN, on_bytes, name="right")
        loop.at(start_ns + 2 * MS, lambda due: left.send(b"two") and None)
        loop.at(start_ns + 400 * MS, lambda due: left.send(b"four") and None)
        loop.run_until(
            start_ns + 10_000 * MS
        )  # ended by the second message: how late that comes is the machine's affair

        assert seen == [b"two", b"four"]
        assert clock.now_ns() >= start_ns + 400 * MS
        assert loop.lateness().timers == 2


def test_stop_ends_the_run_after_the_callback() -> None:
    with Loop() as loop:
        loop.at(0, lambda due: loop.stop())
        loop.at(1 << 62, lambda due: None)
        loop.run_until(1 << 62)

    assert loop.lateness().timers == 1


def test_closing_leaves_no_descriptor_behind() -> None:
    before = len(os.listdir("/proc/self/fd"))

    with Loop():
        pass

    assert len(os.listdir("/proc/self/fd")) == before
