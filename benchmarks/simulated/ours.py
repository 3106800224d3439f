"""Ours: the workload as a job in the embedded kernel on the virtual clock, by the very code that runs do.

In: a workload, the way to read.  Out: what it took and what came of it.  The process that is measured is given the job
as a file, as the peer is given its text: it is Python, the guest's boot, the build, the run and the end.
"""

from __future__ import annotations

import compileall
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import shadowlab
from benchmarks.simulated.taken import Taken, take
from benchmarks.simulated.workload import Workload
from shadowlab.model.flow import Reading

JOB_FILE = "job"
ROOM_BYTES = 1 << 30


def compile_modules() -> None:
    """As an installation does; what is imported inside is compiled anew for each run otherwise."""
    for folder in (*shadowlab.__path__, Path(__file__).parents[1]):
        compileall.compile_dir(str(folder), quiet=1)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``received_bytes`` of each flow, at the end.  ``packet_hops``: links crossed by packets; 0 if not counted."""

    taken: Taken
    received_bytes: tuple[int, ...]
    packet_hops: int
    failures: int = 0


def drive(workload: Workload, *, reading: Reading = "kernel", cpu: int, memory_bytes: int = ROOM_BYTES) -> Outcome:
    """Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="shadowlab-bench-") as name:
        folder = Path(name)
        run, job = folder / "run", folder / JOB_FILE
        run.mkdir()
        job.write_bytes(workload.job(reading=reading).to_bytes())
        words = [sys.executable, "-m", "benchmarks.simulated.boot", str(job), str(run), str(workload.seconds), str(cpu)]
        _, taken = take([*words, str(memory_bytes)], cpu=cpu)
        report = json.loads((run / "inside.json").read_text())
        if report["error"]:
            sys.exit(report["error"])
        hops = _packet_hops(run, workload)
    failures = sum(one["failures"] for one in report["flows"].values())
    received = tuple(report["flows"][flow.id]["received_bytes"] for flow in workload.flows)
    return Outcome(taken=taken, received_bytes=received, packet_hops=hops, failures=failures)


def _packet_hops(run: Path, workload: Workload) -> int:
    """Segments that each source sent and got, times the links between."""
    from shadowlab.store.reader import read_records
    from shadowlab.store.recorder import ENDING
    from shadowlab.wire.tcp_info import TCP_INFO_FIELDS

    places = {name: offset for name, offset, _ in TCP_INFO_FIELDS}
    strings = read_records(run / f"tcp{ENDING}").strings
    if strings is None:
        return 0
    out, back = (strings.field(places[name], "u4")[0] for name in ("segs_out", "segs_in"))
    count = len(workload.flows)
    last = (out[-count:] + back[-count:]).tolist()
    return sum(segments * hops for segments, hops in zip(last, workload.hops.values(), strict=True))
