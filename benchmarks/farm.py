"""A sweep by a farm's workers on this machine, TLS and all, beside the same sweep by its cores: what sharing out costs.

Scheduler, workers and the sweep itself have the same cores: what they take is missing to the runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import report
from benchmarks.sweep import TARGET_EFFICIENCY, Swept, processor_s, sweep
from shadowlab.lab.ahead.opening import CrewMaker
from shadowlab.lab.farm.credentials import read_credentials
from shadowlab.lab.farm.crew import farm_of

GRID = ("fail=each", "growth=1..2/0.05")


def _call(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "shadowlab", *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def _service(folder: Path, says: str, *words: str) -> Iterator[str]:
    """A service of the farm, and the line of its log that says so."""
    started = subprocess.Popen(
        [sys.executable, "-m", "shadowlab", "farm", *words], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        assert started.stderr is not None
        yield next(line for line in started.stderr if says in line)
    finally:
        started.terminate()
        started.communicate(timeout=60)


@contextmanager
def farm(folder: Path, workers: int) -> Iterator[CrewMaker]:
    """A scheduler and so many workers, each on a core of its own."""
    _call(folder, "farm", "ca", "init")
    _call(folder, "farm", "ca", "issue", "boss", "rack", "me")
    with _service(folder, "scheduler at", "scheduler", "--tls", "farm-ca/boss", "--port", "0") as line:
        address = line.split()[-1]
        words = ("worker", "--scheduler", address, "--tls", "farm-ca/rack", "--cores", f"{workers}")
        with _service(folder, "process", *words):
            time.sleep(8)  # until they have connected: what a farm is before a sweep begins
            yield farm_of(address, read_credentials(folder / "farm-ca" / "me"))


def _told(name: str, swept: Swept, processor_s: float) -> None:
    report(
        benchmark=name,
        unit="jobs/min",
        values=[swept.jobs / swept.wall_s * 60],
        jobs=swept.jobs,
        processor_s_per_job=round(processor_s / swept.jobs, 3),
        load=round(os.getloadavg()[0], 1),
    )


def main() -> None:
    every = sorted(os.sched_getaffinity(0))
    rates: dict[int, float] = {}
    answers = set()
    with tempfile.TemporaryDirectory() as scratch:
        local = sweep(set(every), Path(scratch) / "local", grid=GRID)
        _told(f"sweep by {len(every)} cores", local, local.processor_s)
        answers.add(local.answer)
        for count in sorted({1, len(every)}):
            folder = Path(scratch) / f"farm-{count}"
            folder.mkdir()
            used = processor_s()
            with farm(folder, count) as crew:
                swept = sweep(set(every), folder / "sweep", crew, grid=GRID)
            used = processor_s() - used  # of services too, now that they have ended
            rates[count] = swept.jobs / swept.wall_s * 60
            answers.add(swept.answer)
            _told(f"sweep by a farm of {count} worker{'s' if count > 1 else ''}", swept, used)
        if len(rates) > 1:
            report(
                benchmark="farm efficiency",
                unit="share",
                values=[rates[len(every)] / rates[1] / len(every)],
                target=TARGET_EFFICIENCY,
                identical=len(answers) == 1,
            )
        report(
            benchmark="farm beside the same cores",
            unit="share",
            values=[rates[len(every)] / (local.jobs / local.wall_s * 60)],
        )


if __name__ == "__main__":
    main()
