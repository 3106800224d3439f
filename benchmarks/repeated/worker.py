"""One process that runs jobs, one after the other: ``python -m benchmarks.repeated.worker FOLDER NAME...``.

In: names of jobs.  Out: a run folder for each, ``FOLDER/NAME/out``; on stdout one JSON line with the digest of every
file of it that must repeat.  Never: the report, whose page states real time.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.repeated.jobs import write_job
from shadowlab.lab.progress import Silent
from shadowlab.lab.run import RunOutcome, run_scenario
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import ServiceLevel
from shadowlab.model.result import RunResult
from shadowlab.predict.fitting import Scale

PLACES = ("manifest.json",)
"""Files that state where and how long: the only ones that may differ."""
SEED = 7


class _Never:
    """Nobody interrupts."""

    def something_to_lose(self) -> None:
        return

    def asked(self) -> bool:
        return False


def _no_report(
    result: RunResult,
    paths: SeriesTable,
    links: SeriesTable,
    manifest: Mapping[str, object],
    folder: Path,
    levels: Sequence[ServiceLevel],
) -> Path:
    return folder


def digests(folder: Path) -> dict[str, str]:
    """Of every file but those of ``PLACES``."""
    return {
        str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest()
        for one in sorted(folder.rglob("*"))
        if one.is_file() and one.name not in PLACES
    }


def in_silence(scenario: Path, out: Path, *, seed: int, scale: Scale) -> RunOutcome:
    """A run on the virtual clock that nobody watches and that writes no report."""
    return run_scenario(
        scenario,
        kernel="embedded",
        clock="virtual",
        seed=seed,
        out=out,
        scale=scale,
        progress=Silent(),
        write_report=_no_report,
        interrupt=_Never(),
    )


def run_job(name: str, folder: Path, *, seed: int) -> dict[str, object]:
    """The line."""
    started = time.monotonic()
    scenario = write_job(name, folder / name)
    outcome = in_silence(scenario, folder / name / "out", seed=seed, scale="off")
    origin = outcome.result.provenance
    return {
        "job": name,
        "valid": origin.valid,
        "why": "" if origin.valid else origin.validity,
        "exchanges": sum(sum(one.outcomes.values()) for one in outcome.result.workloads),
        "files": digests(outcome.folder),
        "wall_s": round(time.monotonic() - started, 2),
    }


def main(folder: str, seed: str, *names: str) -> None:
    for name in names:
        print(json.dumps(run_job(name, Path(folder), seed=int(seed))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
