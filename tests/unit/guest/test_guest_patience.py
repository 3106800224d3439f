"""When a guest's time is up: what it worked counts on the virtual clock, what it waited for the machine does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shadowlab.guest.host_side import patience
from shadowlab.guest.host_side.patience import LOOK_EVERY_NS, MOST, STILL_NS, Patience, processor_time_ns

SECOND_NS = 10**9
ALLOWED_NS = 100 * SECOND_NS


def times_up(monkeypatch: pytest.MonkeyPatch, *, share: float, starved_counts: bool = False) -> int:
    """After how many nanoseconds a guest is ended that gets this share of a processor."""
    now_ns = 0
    monkeypatch.setattr(patience, "processor_time_ns", lambda _session: int(share * now_ns) or SECOND_NS)
    one = Patience(pid=1, started_ns=0, allowed_ns=ALLOWED_NS, starved_counts=starved_counts)
    while not one.is_over(now_ns):
        now_ns += SECOND_NS
    return now_ns


def test_a_guest_that_has_a_core_of_its_own_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_up(monkeypatch, share=1.0) == ALLOWED_NS


def test_a_guest_with_a_third_of_a_core_has_three_times_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_up(monkeypatch, share=1 / 3) == pytest.approx(3 * ALLOWED_NS, abs=2 * LOOK_EVERY_NS)


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_up(monkeypatch, share=0.06) == MOST * ALLOWED_NS


def test_a_guest_that_does_nothing_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_up(monkeypatch, share=0.0) == pytest.approx(ALLOWED_NS + STILL_NS, abs=2 * LOOK_EVERY_NS)


def test_on_the_real_clock_waiting_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert times_up(monkeypatch, share=0.1, starved_counts=True) == ALLOWED_NS


def test_where_nobody_tells_the_processor_time_the_deadline_stands() -> None:
    one = Patience(pid=0x7FFFFFF0, started_ns=0, allowed_ns=ALLOWED_NS, starved_counts=False)

    assert one.is_over(ALLOWED_NS)


def test_a_session_is_counted_with_the_children_that_ended() -> None:
    work = "import time\nwhile time.process_time() < 0.15: pass\n"
    program = (
        f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {work!r}])\nprint(flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        spent_ns = processor_time_ns(process.pid)
        process.communicate(b"\n")

    assert spent_ns >= 0.14 * SECOND_NS
    assert processor_time_ns(process.pid) == 0
