"""A booted guest for tests: the kernel must be there; without one the tests fail, they are never skipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel, find_kernel
from shadowlab.guest.ending import GuestOutcome

SECOND_NS = 10**9


@dataclass(frozen=True, kw_only=True)
class Ran:
    outcome: GuestOutcome
    lines: list[str]


Boot = Callable[..., Ran]


@pytest.fixture(scope="session")
def built_kernel() -> BuiltKernel:
    found = find_kernel("virtual")
    if found is None:
        pytest.fail("no embedded kernel in the cache: run 'shadowlab kernel build'")
    return found


@pytest.fixture
def boot(built_kernel: BuiltKernel, tmp_path: Path) -> Boot:
    def run(
        function: str,
        *,
        job: bytes = b"",
        seed: int = 1,
        virtual_s: int = 100,
        wall_s: float = 60.0,
        memory_bytes: int = 256 << 20,
        folder: Path | None = None,
    ) -> Ran:
        lines: list[str] = []
        outcome = run_in_guest(
            kernel=built_kernel,
            entry=f"guest_entries:{function}",
            job=job,
            folder=tmp_path if folder is None else folder,
            clock="virtual",
            seed=seed,
            virtual_deadline_ns=virtual_s * SECOND_NS,
            wall_deadline_s=wall_s,
            memory_bytes=memory_bytes,
            on_line=lines.append,
        )
        return Ran(outcome=outcome, lines=lines)

    return run
