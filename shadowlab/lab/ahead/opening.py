"""From a command's options to an inquiry, with a place to run it and room for its records.

In: what the command line says.  Out: an :class:`~shadowlab.lab.ahead.whatif.Inquiry`, for as long as the block lasts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.lab.ahead.asked import Asked, open_question, read_level
from shadowlab.lab.ahead.crew import Crew, LocalCrew
from shadowlab.lab.ahead.measuring import Runner, Store
from shadowlab.lab.ahead.overall import Overall
from shadowlab.lab.ahead.variants import WARM_UP_NS
from shadowlab.lab.ahead.whatif import Effort, Inquiry
from shadowlab.lab.execute import ClockChoice, KernelChoice, Place, choose_place
from shadowlab.lab.interrupt import Interrupt
from shadowlab.lab.progress import Progress
from shadowlab.model.units import NS_PER_S
from shadowlab.predict.sweep.figures import RunFigures

LEAST_JUDGED_NS = 5 * NS_PER_S


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a question is about, in the words of the command line."""

    path: Path
    telemetry: Path | None = None
    unit: str = ""
    levels: tuple[str, ...] = ()
    duration_ns: int = 25 * NS_PER_S
    budget_ns: int = 20 * NS_PER_S

    def open(self) -> Asked:
        """Raises InputError."""
        least = WARM_UP_NS + LEAST_JUDGED_NS
        if self.duration_ns < least:
            raise InputError(
                f"--duration: the first {WARM_UP_NS // NS_PER_S} s are not judged, so a run lasts at least "
                f"{least // NS_PER_S} s"
            )
        return open_question(
            self.path,
            telemetry=self.telemetry,
            unit=self.unit,
            levels=tuple(read_level(one) for one in self.levels),
            duration_ns=self.duration_ns,
            budget_ns=self.budget_ns,
        )


CrewMaker = Callable[[Place, Callable[[], bool], Progress], AbstractContextManager[Crew]]
"""From a place, the wish to end and a progress to whoever runs errands, for as long as a block lasts."""


@contextmanager
def inquiry(
    asked: Asked,
    effort: Effort,
    *,
    kernel: KernelChoice,
    clock: ClockChoice,
    progress: Progress,
    interrupt: Interrupt,
    store: Store | None = None,
    scratch: Path | None = None,
    crew: CrewMaker | None = None,
) -> Iterator[tuple[Inquiry, Overall]]:
    """An inquiry and the progress of its rounds.  Raw records go below ``scratch``, or the temporary folder, and go
    away with the block.  ``crew``: who runs the jobs, if not this machine's cores."""
    place = choose_place(kernel, clock)
    overall = Overall(progress)
    interrupt.something_to_lose()
    with tempfile.TemporaryDirectory(prefix="shadowlab-ahead-", dir=scratch) as folder, ExitStack() as stack:
        chosen: Crew = LocalCrew(place=place, scratch=Path(folder), interrupted=interrupt.asked, progress=overall)
        if crew is not None:
            chosen = stack.enter_context(crew(place, interrupt.asked, overall))
        runner = Runner(place=place, crew=chosen, interrupt=interrupt, store=store or Store())

        def known(figures: RunFigures) -> None:
            overall.work(f"{figures.variant}, seed {figures.seed}", 1.0)

        runner.on_figures = known
        yield Inquiry(asked, runner, effort), overall
