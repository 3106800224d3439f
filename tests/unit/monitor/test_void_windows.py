"""Lateness per second, and the windows that it voids: on a fake clock that wakes up as late as it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shadowlab.kernel.clock import FakeClock
from shadowlab.kernel.loop import Loop
from shadowlab.lab.execute import Place
from shadowlab.lab.summaries import validity
from shadowlab.model.kpi import SeriesTable
from shadowlab.monitor.punctuality import Punctuality
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.void_windows import (
    CPU_LIMIT,
    LATE_NS,
    MOST_VOID,
    VOID,
    Punctual,
    read_punctual,
    spans,
    without_void,
)
from shadowlab.store.reader import read_records

S = 1_000_000_000
MS = 1_000_000


class LateWaiter:
    """Sleeps by moving the clock, and wakes up late by what ``late_ns`` says of the moment it should."""

    def __init__(self, clock: FakeClock, late_ns: Callable[[int], int]) -> None:
        self.clock = clock
        self.late_ns = late_ns

    def wait(self, until_ns: int) -> list[tuple[int, int]]:
        self.clock.move_to(max(until_ns, self.clock.now_ns()) + self.late_ns(until_ns))
        return []

    def watch(self, fd: int, events: int, *, lazy: bool) -> None: ...
    def change(self, fd: int, events: int, *, lazy: bool) -> None: ...
    def forget(self, fd: int, *, lazy: bool) -> None: ...
    def look(self) -> list[tuple[int, int]]:
        return []

    def close(self) -> None: ...


def never(until_ns: int) -> int:
    return 0


def within(from_s: int, to_s: int, by_ns: int) -> Callable[[int], int]:
    """Whatever is due between these seconds of the clock."""
    return lambda until_ns: by_ns if from_s * S < until_ns < to_s * S else 0


def exactly(when_ns: int, by_ns: int) -> Callable[[int], int]:
    return lambda until_ns: by_ns if until_ns == when_ns else 0


def run(folder: Path, *, late_ns: Callable[[int], int], busy: dict[int, float] | None = None, seconds: int = 8) -> None:
    """A run whose zero is at second 1 of the clock, with a timer every 50 ms; ``busy``: share of a processor used."""
    clock = FakeClock()

    def used_ns() -> int:
        return sum(round(share * S) for second, share in (busy or {}).items() if clock.now_ns() > (second + 1) * S)

    def tick(due_ns: int) -> None:
        loop.at(due_ns + 50 * MS, tick)

    folder.mkdir(exist_ok=True)
    with RawFiles(str(folder)) as files, Loop(clock=clock, waiter=LateWaiter(clock, late_ns)) as loop:
        Punctuality(loop, files.rows("lateness"), used_ns=used_ns).start(S, seconds * S)
        loop.at(S + 25 * MS, tick)
        loop.run_until(S + seconds * S)


def test_lateness_is_recorded_second_by_second(tmp_path: Path) -> None:
    run(tmp_path, late_ns=within(3, 4, 4 * MS))

    found = read_records(tmp_path / "lateness.blocks")

    assert found["since_ns"].tolist() == [0, *found["at_ns"].tolist()[:-1]]
    assert len(found) == 8
    assert found["timers"].sum() == 8 * 20 + 8
    assert [late > 0 for late in found["late_max_ns"]] == [False, False, True, False, False, False, False, False]
    assert found["late_max_ns"].max() == 4 * MS


def test_a_second_of_late_timers_is_void_and_so_is_the_next_if_it_began_late(tmp_path: Path) -> None:
    run(tmp_path / "a", late_ns=within(3, 4, LATE_NS // 2))
    run(tmp_path / "b", late_ns=within(3, 4, 4 * MS))
    run(tmp_path / "c", late_ns=exactly(4 * S, 4 * MS))

    def void(name: str) -> list[int]:
        return np.flatnonzero(read_punctual(tmp_path / name, 8, S).void).tolist()

    assert void("a") == []
    assert void("b") == [2]
    assert void("c") == [2, 3]  # second 4 of the clock is where window 2 ends and 3 begins


def test_standing_still_for_seconds_voids_all_of_them(tmp_path: Path) -> None:
    run(tmp_path, late_ns=exactly(3 * S + 275 * MS, 2_500 * MS))

    assert np.flatnonzero(read_punctual(tmp_path, 8, S).void).tolist() == [2, 3, 4]


def test_a_second_that_used_the_whole_processor_is_void(tmp_path: Path) -> None:
    run(tmp_path, late_ns=never, busy={2: CPU_LIMIT + 0.05, 4: CPU_LIMIT - 0.05})

    found = read_punctual(tmp_path, 8, S)

    assert int(found.void.sum()) == 1
    assert found.cpu_share == pytest.approx(CPU_LIMIT + 0.05, abs=0.01)


def test_a_folder_without_these_records_has_no_void_windows(tmp_path: Path) -> None:
    assert not read_punctual(tmp_path, 3, S).void.any()


def test_a_void_window_holds_nothing_but_its_flag() -> None:
    table = SeriesTable(times_ns=np.array([S, 2 * S]), subjects=("a", "b"), values={"loss": np.zeros((2, 2))})

    found = without_void(table, np.array([False, True]))

    assert np.isnan(found.values["loss"]).tolist() == [[False, False], [True, True]]
    assert found.values[VOID].tolist() == [[0, 0], [1, 1]]


def test_neighbouring_void_windows_are_one_span() -> None:
    void = np.array([True, False, True, True, False, True])

    assert spans(void, S) == ((0, S), (2 * S, 4 * S), (5 * S, 6 * S))
    assert spans(np.zeros(0, dtype=bool), S) == ()


@pytest.mark.parametrize(("void", "valid"), [(0, True), (MOST_VOID * 100, True), (MOST_VOID * 100 + 1, False)])
def test_a_run_with_too_many_void_windows_refuses_its_verdict_and_names_the_virtual_clock(
    void: float, valid: bool
) -> None:
    punctual = Punctual(void=np.arange(100) < void, late_ns=3 * MS, cpu_share=0.25)

    found, words = validity(Place(kind="host", clock="real", kernel=None), punctual, {})

    assert found is valid
    assert f"{void:.0f} of 100 windows are void" in words
    assert "3.00 ms" in words
    assert ("--clock virtual" in words) is not valid


def test_operations_that_failed_void_a_punctual_run() -> None:
    punctual = Punctual(void=np.zeros(10, dtype=bool))

    valid, words = validity(Place(kind="host", clock="real", kernel=None), punctual, {"failures": ["drop x: no x"]})

    assert not valid
    assert "drop x" in words
