"""A guest that does not come back says why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import Boot

from shadowlab.errors import CannotRunError, ShadowFailedError

pytestmark = pytest.mark.guest


def failure(boot: Boot, function: str, **limits: float) -> str:
    with pytest.raises(ShadowFailedError) as error:
        boot(function, **limits)
    return str(error.value)


def test_a_traceback_comes_out_whole(boot: Boot) -> None:
    text = failure(boot, "raises")

    first, *_, last = text.splitlines()
    assert first == "the program inside the guest failed:"
    assert last == "LookupError: no route to r7"
    assert "in raises" in text
    assert "init.py" not in text


def test_a_function_that_does_not_exist_is_named(boot: Boot) -> None:
    assert failure(boot, "missing").endswith("has no attribute 'missing'")


def test_waiting_for_ever_meets_the_deadline_in_virtual_time(boot: Boot) -> None:
    started = time.monotonic()

    text = failure(boot, "waits_for_ever", virtual_s=3600)

    assert text.startswith("the guest was stopped: its clock passed the deadline of 3600 s")
    assert text.endswith("last lines of output:\n  waiting")
    assert time.monotonic() - started < 30


def test_computing_for_ever_meets_the_deadline_in_real_time(boot: Boot) -> None:
    text = failure(boot, "computes_for_ever", wall_s=1.0)

    assert text.startswith("the guest was stopped: it took longer than the deadline of 1 s of real time")
    assert "computing" in text


def test_a_crash_names_its_signal(boot: Boot) -> None:
    assert failure(boot, "crashes") == "the program inside the guest was killed by SIGABRT"


def test_running_out_of_memory_says_so(boot: Boot) -> None:
    text = failure(boot, "eats_memory", memory_bytes=96 << 20)

    assert text.startswith("the guest ran out of memory (96 MiB): give it more")
    assert "Out of memory: Killed process" in text


def test_a_kernel_panic_comes_with_the_kernels_last_lines(boot: Boot, tmp_path: Path) -> None:
    text = failure(boot, "panics")

    assert "about to panic" in text
    assert "Kernel panic - not syncing" in text
    assert list(tmp_path.iterdir()) == []


def test_memory_too_small_to_boot_is_reported(boot: Boot) -> None:
    assert "last kernel lines:" in failure(boot, "boot_only", memory_bytes=6 << 20)


def test_memory_that_no_place_can_hold_is_refused(boot: Boot) -> None:
    with pytest.raises(CannotRunError, match="no place for 1073741824 MiB of guest memory"):
        boot("boot_only", memory_bytes=1 << 50)
