"""The process that is measured, ours: ``JOB FOLDER SECONDS CPU MEMORY [ENTRY]``.  Imports no more than it needs."""

from __future__ import annotations

import sys
from pathlib import Path

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel

_ROOM_S = 600


def main() -> None:
    """Boot the guest with the job; its report lies in the folder."""
    job, run, seconds, cpu, memory, *entry = sys.argv[1:]
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry=entry[0] if entry else "shadowlab.lab.inside:run",
        job=Path(job).read_bytes(),
        folder=Path(run),
        clock="virtual",
        seed=1,
        virtual_deadline_ns=(int(seconds) + _ROOM_S) * 10**9,
        wall_deadline_s=6 * _ROOM_S,
        memory_bytes=int(memory),
        cpu=int(cpu),
    )


if __name__ == "__main__":
    main()
