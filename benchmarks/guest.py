"""The guest: boot to the first line of our function, the whole boot and end, and one system call inside."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks import report
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel

RUNS = 9
CALLS = 100_000


def first_line(_job_path: str, folder: str) -> int:
    """Runs inside: the file's time on the host is the moment; the clock in here is virtual."""
    with open(f"{folder}/first", "wb"):
        return 0


def system_calls(_job_path: str, folder: str) -> int:
    """Runs inside: the host's clock is read as the times of two files."""
    import os

    with open(f"{folder}/first", "wb"):
        pass
    call = os.getppid
    for _ in range(CALLS):
        call()
    with open(f"{folder}/last", "wb"):
        return 0


def boot(function: str, folder: Path) -> None:
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry=f"benchmarks.guest:{function}",
        job=b"",
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=10 * 10**9,
        wall_deadline_s=60,
    )


def main() -> None:
    to_first, whole, per_call = [], [], []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "start").touch()  # the same clock as the guest's files: that of the host's file system
            started = time.monotonic()
            boot("first_line", folder)
            whole.append(time.monotonic() - started)
            to_first.append((folder / "first").stat().st_mtime - (folder / "start").stat().st_mtime)
            boot("system_calls", folder)
            per_call.append(((folder / "last").stat().st_mtime - (folder / "first").stat().st_mtime) / CALLS * 1e6)
    version = need_kernel("virtual").version
    report(benchmark="guest: boot to the first line", unit="s", values=to_first, target=0.3, kernel=version)
    report(benchmark="guest: boot, an empty function, end", unit="s", values=whole, kernel=version)
    report(benchmark="guest: one system call, loop included", unit="us", values=per_call, kernel=version)


if __name__ == "__main__":
    main()
