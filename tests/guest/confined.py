"""Boot a guest that tries to escape, and look at its processes from outside; the program of `test_confinement.py`.

In: ``FOLDER PLACES MEANS...``: the run's folder, what is to be tried (JSON), the means of confinement.
Out: one JSON document: the confinement, what the guest told, the state of its processes.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.guest.command_line import GUEST_NAME
from shadowlab.guest.host_side.confinement import Confinement

WANTED = ("Uid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")


def look() -> list[dict[str, str]]:
    """The guest's processes, as /proc/PID/status has them."""
    name = f"{GUEST_NAME}={os.getpid()}-".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if name not in environ.read_bytes():
                continue
            lines = (line.partition(":\t") for line in (environ.parent / "status").read_text().splitlines())
        except OSError:
            continue
        found.append({key: value for key, _, value in lines if key in WANTED})
    return found


def main(folder: Path, places: bytes, means: list[str]) -> None:
    seen: list[list[dict[str, str]]] = []
    known: list[Confinement] = []

    def on_line(line: str) -> None:
        if line == "first":
            seen.append(look())
            (folder / "seen").touch()

    outcome = run_in_guest(
        kernel=need_kernel("virtual"),
        entry="guest_entries:escapes",
        job=places,
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=10**12,
        wall_deadline_s=60,
        memory_bytes=256 << 20,
        on_line=on_line,
        readable=[Path(one) for one in json.loads(places)["needed"]],
        on_confined=known.append,
        means=means,  # type: ignore[arg-type]
    )
    assert outcome.exit_code == 0
    told = json.loads((folder / "told").read_text())
    print(json.dumps({"confinement": asdict(known[0]), "told": told, "processes": seen[0]}))  # noqa: T201


def start() -> None:
    """To be called by ``python -c``: the folder of a program that is started is not searched inside the guest."""
    main(Path(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:])
