"""A local sweep: jobs per minute on one core and on all, its efficiency, and whether the results are the same.

The network is that of the stories, six variants and the baseline, one run each of 10 s of network time.  A core that
others use as well gives less: the processor time of a job stands beside the wall time.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from shadowlab.lab.ahead.asking import asked_variants
from shadowlab.lab.ahead.kept import SweepFolder
from shadowlab.lab.ahead.opening import CrewMaker, Subject, inquiry
from shadowlab.lab.ahead.whatif import Effort
from shadowlab.lab.progress import Silent
from shadowlab.model.units import NS_PER_S
from shadowlab.report.ahead.plain import answer_json

SCENARIO = Path(__file__).parents[1] / "tests" / "stories" / "small" / "incident.yaml"
GRID = ("fail=each", "growth=1|2")
TARGET_EFFICIENCY = 0.9


class _Calm:
    def something_to_lose(self) -> None:
        return

    def asked(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class Swept:
    """``processor_s``: of this process and the runs it started."""

    wall_s: float
    processor_s: float
    jobs: int
    answer: str


def sweep(cores: set[int], folder: Path, crew: CrewMaker | None = None, *, grid: Sequence[str] = GRID) -> Swept:
    """The sweep, from the question to the answer, on these cores or by a crew."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        asked = Subject(path=SCENARIO, duration_ns=10 * NS_PER_S).open()
        variants = asked_variants(asked, grid, None, each=False)
        wall, used = time.monotonic(), processor_s()
        with (
            SweepFolder(folder) as kept,
            inquiry(
                asked,
                Effort(least_runs=1, most_runs=1),
                kernel="embedded",
                clock="virtual",
                progress=Silent(),
                interrupt=_Calm(),
                store=kept,
                scratch=kept.scratch,
                crew=crew,
            ) as (ask, _),
        ):
            answer = ask.answer(variants)
        return Swept(
            wall_s=time.monotonic() - wall,
            processor_s=processor_s() - used,
            jobs=ask.runs,
            answer=answer_json(answer),
        )
    finally:
        os.sched_setaffinity(0, mine)


def processor_s() -> float:
    """Of this process and of its children that have ended."""
    found = 0.0
    for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        one = resource.getrusage(whose)
        found += one.ru_utime + one.ru_stime
    return found


def main() -> None:
    every = sorted(os.sched_getaffinity(0))
    rates: dict[int, float] = {}
    answers = set()
    with tempfile.TemporaryDirectory() as scratch:
        for count in sorted({1, len(every)}):
            swept = sweep(set(every[:count]), Path(scratch) / f"{count}")
            answers.add(swept.answer)
            rates[count] = swept.jobs / swept.wall_s * 60
            report(
                benchmark=f"sweep on {count} core{'s' if count > 1 else ''}",
                unit="jobs/min",
                values=[rates[count]],
                jobs=swept.jobs,
                processor_s_per_job=round(swept.processor_s / swept.jobs, 3),
                load=round(os.getloadavg()[0], 1),
            )
        began = time.monotonic()
        sweep(set(every), Path(scratch) / f"{len(every)}")
        report(benchmark="sweep that was complete, again", unit="s", values=[time.monotonic() - began])
    if len(rates) > 1:
        report(
            benchmark="sweep efficiency",
            unit="share",
            values=[rates[len(every)] / rates[1] / len(every)],
            target=TARGET_EFFICIENCY,
            identical=len(answers) == 1,
        )


if __name__ == "__main__":
    main()
