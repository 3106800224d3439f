"""What the commands do, as functions that give values.

In: paths, as text or :class:`~pathlib.Path`.  Out: the views of :mod:`shadowlab.notebook.shown`.
Never: output of its own, and nothing left of what Ctrl-C (a notebook's stop button) ended.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from shadowlab.errors import Fault, InputError
from shadowlab.lab.ahead.asking import asked_variants
from shadowlab.lab.ahead.kept import SweepFolder
from shadowlab.lab.ahead.opening import Subject, inquiry
from shadowlab.lab.ahead.whatif import Effort
from shadowlab.lab.execute import ClockChoice, KernelChoice
from shadowlab.lab.interrupt import Interrupted
from shadowlab.lab.progress import Progress, Silent
from shadowlab.lab.run import run_scenario
from shadowlab.model.calibration import Calibration
from shadowlab.model.plain import from_plain, without_format
from shadowlab.model.units import parse_duration
from shadowlab.notebook.shown import AnswerView, CalibrationView, LocalisationView, MapView, RunView
from shadowlab.predict.fitting import Scale
from shadowlab.predict.sweep.answer import FORMAT, Answer
from shadowlab.report.ahead.page import ANSWER_FILE, AnswerFolder, answer_files
from shadowlab.report.html import write_report
from shadowlab.serve.picture.run import read_result
from shadowlab.topology.compose import decode_text
from shadowlab.topology.formats import load_map as load_network
from shadowlab.topology.formats import read_input

_DERIVED = frozenset({"verdict", "holds", "nearness"})
"""What an answer's file says beside the answer: all of it follows from the rest."""


def load_map(path: str | Path) -> MapView:
    """A map of any format that ``shadowlab plan`` reads.  Raises InputError."""
    return MapView(network=load_network(Path(path)))


def read_run(folder: str | Path) -> RunView:
    """A run from its folder.  Raises InputError for none, or one of a newer ShadowLab."""
    return RunView(folder=Path(folder), result=read_result(Path(folder) / "result.json"))


def run(
    scenario: str | Path,
    *,
    out: str | Path | None = None,
    seed: int | None = None,
    kernel: KernelChoice = "auto",
    clock: ClockChoice = "auto",
    scale: Scale = "auto",
    progress: Progress | None = None,
) -> RunView:
    """What ``shadowlab run`` does, with its run folder (``runs/NAME-SEED`` without ``out``).

    Raises InputError, CannotRunError or ShadowFailedError; then nothing of the run remains.
    """
    with _stoppable() as interrupt:
        outcome = run_scenario(
            Path(scenario),
            kernel=kernel,
            clock=clock,
            seed=seed,
            out=None if out is None else Path(out),
            scale=scale,
            progress=progress or Silent(),
            write_report=write_report,
            interrupt=interrupt,
        )
    return RunView(folder=outcome.folder, result=outcome.result)


def whatif(
    about: str | Path,
    *scenarios: str,
    each: bool = False,
    levels: tuple[str, ...] = (),
    telemetry: str | Path | None = None,
    duration: str = "25 s",
    runs: tuple[int, int] = (2, 5),
    seed: int | None = None,
    out: str | Path | None = None,
    kernel: KernelChoice = "auto",
    progress: Progress | None = None,
) -> AnswerView:
    """What ``shadowlab whatif`` answers about a map, scenario or run folder: ``whatif("map.yaml", "growth=1.5")``.

    ``scenarios`` happen together, or with ``each`` one by one; ``runs`` are the least and the most of each variant.
    ``out`` is a new folder for the answer and its report.  Raises InputError, CannotRunError or ShadowFailedError.
    """
    subject = _subject(about, telemetry, levels, duration)
    asked = subject.open()
    variants = asked_variants(asked, scenarios, None, each=each)
    effort = Effort(least_runs=runs[0], most_runs=runs[1], seed=seed)
    with _stoppable() as interrupt, AnswerFolder(None if out is None else Path(out)) as folder:
        shown = progress or Silent()
        with inquiry(asked, effort, kernel=kernel, clock="auto", progress=shown, interrupt=interrupt) as (ask, _):
            answer = ask.answer(variants)
        folder.write(answer)
    return AnswerView(answer=answer)


def sweep(
    about: str | Path,
    *scenarios: str,
    out: str | Path,
    each: bool = False,
    levels: tuple[str, ...] = (),
    telemetry: str | Path | None = None,
    duration: str = "25 s",
    runs: tuple[int, int] = (1, 4),
    seed: int | None = None,
    kernel: KernelChoice = "auto",
    progress: Progress | None = None,
) -> AnswerView:
    """What ``shadowlab sweep`` answers: a grid like ``"fail=each"``.  What was run is kept in ``out``, and not run
    again when the same is asked after an interruption.  Raises InputError, CannotRunError or ShadowFailedError."""
    if not scenarios:
        raise InputError('nothing is varied: state a scenario, like "fail=each"')
    asked = _subject(about, telemetry, levels, duration).open()
    variants = asked_variants(asked, scenarios, None, each=each)
    effort = Effort(least_runs=runs[0], most_runs=runs[1], seed=seed)
    with _stoppable() as interrupt, SweepFolder(Path(out)) as folder:
        with inquiry(
            asked,
            effort,
            kernel=kernel,
            clock="auto",
            progress=progress or Silent(),
            interrupt=interrupt,
            store=folder,
            scratch=folder.scratch,
        ) as (ask, _):
            answer = ask.answer(variants)
        for name, content in answer_files(answer).items():
            folder.write(name, content)
    return AnswerView(answer=answer)


def read_answer(path: str | Path) -> AnswerView:
    """An answer from the folder that ``whatif --out`` or ``sweep --out`` wrote, or from its ``answer.json``.

    Raises InputError for none, or one of a newer ShadowLab.
    """
    file = Path(path) / ANSWER_FILE if Path(path).is_dir() else Path(path)
    try:
        document = without_format(json.loads(read_input(file, what="answer")), FORMAT)
        for one in (document, document["baseline"], *document["variants"]):
            for name in _DERIVED:
                one.pop(name, None)
        answer: Answer = from_plain(Answer, document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(Fault(place=str(file), message=f"cannot be read as an answer: {error}")) from error
    return AnswerView(answer=answer)


def read_calibration(state: str | Path, map_path: str | Path) -> CalibrationView:
    """What ``shadowlab calibrate MAP … --state STATE`` wrote.  Raises InputError for one of another map, or none."""
    network = load_network(Path(map_path))
    try:
        found = Calibration.from_json(decode_text(read_input(Path(state), what="state"), name=str(state)), network)
    except ValueError as error:
        raise InputError(Fault(place=str(state), message=str(error))) from error
    return CalibrationView(calibration=found)


def locate(observations: str | Path, *, method: str | None = None) -> LocalisationView:
    """What ``shadowlab localize`` finds in a file of observations.  Raises InputError, also for an unknown method."""
    from shadowlab.localize.file.read import read_observations
    from shadowlab.localize.methods import METHODS
    from shadowlab.localize.settings import DEFAULTS

    chosen = next(iter(METHODS)) if method is None else method
    if chosen not in METHODS:
        raise InputError(f"no method {chosen!r}: there are {', '.join(METHODS)}")
    return LocalisationView(localisation=METHODS[chosen](read_observations(Path(observations)).seen, DEFAULTS))


def _subject(about: str | Path, telemetry: str | Path | None, levels: tuple[str, ...], duration: str) -> Subject:
    try:
        duration_ns = parse_duration(duration)
    except ValueError as error:
        raise InputError(f"duration: {error}") from error
    return Subject(
        path=Path(about),
        telemetry=None if telemetry is None else Path(telemetry),
        levels=levels,
        duration_ns=duration_ns,
    )


class _Stop:
    """An :class:`~shadowlab.lab.interrupt.Interrupt` that only notes."""

    def __init__(self) -> None:
        self._asked = False

    def note(self, *_signal: Any) -> None:
        self._asked = True

    def something_to_lose(self) -> None:
        return

    def asked(self) -> bool:
        return self._asked


@contextmanager
def _stoppable() -> Iterator[_Stop]:
    """While the block lasts Ctrl-C is noted, and raised as KeyboardInterrupt once all is cleaned up."""
    stop = _Stop()
    try:
        with _noting(stop) if threading.current_thread() is threading.main_thread() else nullcontext():
            yield stop
    except Interrupted:
        raise KeyboardInterrupt from None


@contextmanager
def _noting(stop: _Stop) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, stop.note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
