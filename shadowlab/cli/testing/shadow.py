"""A shadow in a test: run it, ask it, hold it to service levels.

In: a map or a scenario.  Out: a :class:`Shadowed` to ask.  Never: a level that is broken without being told which path,
by how much, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import yaml

from shadowlab.errors import InputError, ShadowFailedError, ShadowLabError
from shadowlab.model.level import LevelOutcome, ServiceLevel, parse_limit
from shadowlab.model.units import NS_PER_S, parse_duration, parse_fraction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shadowlab.model.kpi import SeriesTable
    from shadowlab.model.result import RunResult

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60
_MOST_TOLD = 5
_EVERYBODY = {"transfers": "everybody", "from": "all", "to": "all", "arrivals": "5/s", "size": "20 kB"}
"""What drives a map of which nothing else is said: each instance sends to each other, now and then."""


class ServiceLevelBroken(AssertionError):
    """A promise that a shadow did not keep.  pytest shows the message as it is."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A service level whose paths (or services) are a shell pattern: ``web-*->db-1``."""

    kpi: str
    limit: float
    paths: str = "*"
    tolerated: float = 0.0
    window_ns: int = 5 * NS_PER_S

    @classmethod
    def of(
        cls, kpi: str, limit: float | str, *, paths: str = "*", tolerated: str | float = 0.0, window: str = "5 s"
    ) -> Promise:
        """As people write it.  Raises ValueError for what no service level can be."""
        made = cls(
            kpi=kpi,
            limit=parse_limit(kpi, str(limit)),
            paths=paths.replace("->", "→"),
            tolerated=parse_fraction(tolerated) if isinstance(tolerated, str) else tolerated,
            window_ns=parse_duration(window),
        )
        made.level(())
        return made

    def level(self, subjects: tuple[str, ...]) -> ServiceLevel:
        """The level for these paths or services."""
        level = ServiceLevel(
            name=self.kpi, kpi=self.kpi, limit=self.limit, tolerated=self.tolerated, window_ns=self.window_ns
        )
        of = {"services": subjects} if level.of_service else {"paths": subjects}
        return ServiceLevel(
            name=self.kpi, kpi=self.kpi, limit=self.limit, tolerated=self.tolerated, window_ns=self.window_ns, **of
        )


@dataclass(frozen=True, kw_only=True)
class Shadowed:
    """A run that is over.  ``from_ns``: judged from then on, when connections have started."""

    result: RunResult
    folder: Path
    from_ns: int
    _later: _LaterReport = field(repr=False)
    _tables: dict[str, SeriesTable] = field(default_factory=dict, repr=False)

    @property
    def report(self) -> Path:
        """The page about this run, drawn when it is asked for: a test that passes does without.  Raises OSError."""
        return self._later.page()

    @property
    def paths(self) -> tuple[str, ...]:
        """``source→target`` of every path that carries something."""
        return self._table("path").subjects

    def series(self, kpi: str, subject: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Seconds since the start and the indicator's values there, NaN where nothing was seen, each of shape (n,).

        Raises InputError for an indicator or a subject that there is none of.
        """
        table = self._of(kpi)
        name = subject.replace("->", "→")
        if name not in table.subjects:
            raise InputError(f"{subject!r} carries nothing; there is {', '.join(table.subjects) or 'nothing'}")
        return table.times_ns / NS_PER_S, table.values[kpi][:, table.subjects.index(name)]

    def values(self, kpi: str, paths: str = "*") -> dict[str, float]:
        """The median of an indicator over the judged time, for each path or service that the pattern fits."""
        import numpy as np

        table = self._of(kpi)
        judged = table.times_ns > self.from_ns
        found = {}
        for subject in _fitting(table.subjects, paths.replace("->", "→")):
            values = table.values[kpi][judged, table.subjects.index(subject)]
            seen = values[~np.isnan(values)]
            if seen.size:
                found[subject] = float(np.median(seen))
        return found

    def keeps(
        self, kpi: str, limit: float | str, *, paths: str = "*", tolerated: str | float = 0.0, window: str = "5 s"
    ) -> None:
        """Raise ServiceLevelBroken unless the level is kept on every path that the pattern fits."""
        __tracebackhide__ = True
        self.judge(Promise.of(kpi, limit, paths=paths, tolerated=tolerated, window=window))

    def judge(self, promise: Promise) -> tuple[LevelOutcome, ...]:
        """One outcome per path.  Raises ServiceLevelBroken if one is broken, or if nothing was there to judge."""
        __tracebackhide__ = True
        from shadowlab.detect.levels import judge_levels

        table = self._of(promise.kpi)
        subjects = _fitting(table.subjects, promise.paths)
        level = promise.level(subjects)
        tables = {"table": self._table("path"), "services": table if level.of_service else None}
        outcomes = (
            judge_levels(**tables, levels=[level], from_ns=self.from_ns, to_ns=self.result.duration_ns)  # type: ignore[arg-type]
            if subjects
            else ()
        )
        if not outcomes:
            why = (
                f"it was never observed on {', '.join(subjects)}"
                if subjects
                else f"{promise.paths!r} fits none of {', '.join(table.subjects) or 'none'}"
            )
            raise ServiceLevelBroken(f"nothing to judge {promise.kpi} by: {why}")
        broken = [one for one in outcomes if not one.holds]
        if broken:
            raise ServiceLevelBroken(self._told(promise, level, broken, len(outcomes)))
        return outcomes

    def _told(self, promise: Promise, level: ServiceLevel, broken: Sequence[LevelOutcome], judged: int) -> str:
        sign = "≥" if level.less_is_bad else "≤"
        lines = [f"{promise.kpi} {sign} {promise.limit:g} is broken on {len(broken)} of {judged}"]
        worst_first = sorted(broken, key=lambda one: -one.excess)
        for one in worst_first[:_MOST_TOLD]:
            times, values = self.series(promise.kpi, one.path)
            lines += [
                f"  {one.path}: median {one.median:.4g}, worst {one.worst:.4g} in windows of "
                f"{promise.window_ns / NS_PER_S:g} s; {one.broken_share:.0%} broken, {promise.tolerated:.0%} tolerated",
                f"    {_drawn(times, values)}",
            ]
        if len(broken) > _MOST_TOLD:
            lines.append(f"  and {len(broken) - _MOST_TOLD} more")
        return "\n".join([*lines, f"  report: {self.report}"])

    def _of(self, kpi: str) -> SeriesTable:
        from shadowlab.model.kpi import KPIS

        if kpi not in KPIS:
            raise InputError(f"{kpi!r} is no indicator; there are {', '.join(KPIS)}")
        table = self._table(KPIS[kpi].subject)
        if kpi not in table.values:
            raise InputError(f"{kpi!r} was not measured in this run")
        return table

    def _table(self, kind: str) -> SeriesTable:
        from shadowlab.store.series import read_series

        if kind not in self._tables:
            path = self.folder / f"{kind}s.csv"
            if not path.exists():
                raise InputError(f"this run measured no {kind}s")
            self._tables[kind] = read_series(path)
        return self._tables[kind]


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Runs shadows for a test, each in its own folder below ``out``: each keeps ``promises``, or the test fails."""

    beside: Path
    out: Path
    promises: tuple[Promise, ...] = ()
    record: Callable[[str, object], None]
    fail: Callable[[str], NoReturn]
    """What ends a test with one message, and no traceback."""

    def __call__(
        self,
        file: str | Path,
        *,
        duration: str = "20 s",
        warm_up: str = "5 s",
        seed: int | None = None,
        **keys: object,
    ) -> Shadowed:
        """Run a map or a scenario, and hold it to the test's marks.

        ``keys`` are those of a scenario (``traffic``, ``telemetry``, ``events``, ``compute`` …), in Python's values.
        With neither ``traffic`` nor ``demands`` nor ``telemetry`` every instance sends to every other now and then.
        ``warm_up`` is not judged.  A scenario is run as it stands; then ``keys`` must be empty.

        Raises ServiceLevelBroken.  Wrong input, a void run, or a machine that cannot run it, fail the test.
        """
        __tracebackhide__ = True
        try:
            return self._held(file, duration, warm_up, seed, keys)
        except ShadowLabError as error:
            self.fail(str(error))

    def _held(
        self, file: str | Path, duration: str, warm_up: str, seed: int | None, keys: Mapping[str, object]
    ) -> Shadowed:
        __tracebackhide__ = True
        path = self.beside / file
        whole = _is_scenario(path)
        if whole and keys:
            raise InputError(f"{path} is a scenario already: it cannot be given {', '.join(keys)}")
        scenario = path if whole else self._written(path, duration, warm_up, keys)
        shadowed = self._run(scenario, seed, None if whole else parse_duration(warm_up))
        for promise in self.promises:
            outcomes = shadowed.judge(promise)
            self.record(f"{promise.kpi} {promise.paths}", max(outcomes, key=lambda one: one.excess).median)
        return shadowed

    def _written(self, path: Path, duration: str, warm_up: str, keys: Mapping[str, object]) -> Path:
        ends = [parse_duration(duration)]
        events = keys.get("events")
        if isinstance(events, Sequence):
            ends += [parse_duration(str(one["at"])) for one in events if isinstance(one, Mapping) and "at" in one]
        driven = {"traffic", "demands", "telemetry"} & set(keys)
        scenario = {
            "shadowlab": "scenario/1",
            "name": "test",
            "map": str(path.resolve()),
            "duration": duration,
            "baseline": {"from": warm_up, "to": f"{min(ends) / NS_PER_S:g} s"},
            **({} if driven else {"traffic": [_EVERYBODY]}),
            **keys,
        }
        for name in ("telemetry", "telemetry_rules", "production_after"):
            if isinstance(scenario.get(name), str | Path):
                scenario[name] = str((self.beside / str(scenario[name])).resolve())
        written = self._free(".yaml")
        written.write_text(yaml.safe_dump(scenario, allow_unicode=True, sort_keys=False), encoding="utf-8")
        return written

    def _run(self, scenario: Path, seed: int | None, from_ns: int | None) -> Shadowed:
        from shadowlab.lab.progress import Silent
        from shadowlab.lab.run import run_scenario

        later = _LaterReport()
        outcome = run_scenario(
            scenario,
            kernel="auto",
            clock="auto",
            seed=seed,
            out=self._free(""),
            scale="auto",
            progress=Silent(),
            write_report=later,
            interrupt=_Never(),
        )
        if not outcome.result.provenance.valid:
            raise ShadowFailedError(
                f"the run is void: {outcome.result.provenance.validity}; it is kept in {outcome.folder}"
            )
        return Shadowed(
            result=outcome.result,
            folder=outcome.folder,
            from_ns=outcome.result.baseline_ns[0] if from_ns is None else from_ns,
            _later=later,
        )

    def _free(self, ending: str) -> Path:
        number = 1
        while (path := self.out / f"shadow-{number}{ending}").exists():
            number += 1
        return path


class _LaterReport:
    """Keeps what a report is made from until somebody wants to read it."""

    def __init__(self) -> None:
        self._page: Path | None = None
        self._write: Callable[[], Path] | None = None

    def __call__(
        self,
        result: RunResult,
        paths: SeriesTable,
        links: SeriesTable,
        manifest: Mapping[str, object],
        folder: Path,
        levels: Sequence[ServiceLevel],
    ) -> Path:
        from shadowlab.report.html import write_report

        self._write = partial(write_report, result, paths, links, manifest, folder, levels)
        return folder

    def page(self) -> Path:
        if self._page is None:
            assert self._write is not None  # the run is over
            self._page, self._write = self._write(), None
        return self._page


class _Never:
    """pytest's own Ctrl-C unwinds the stack, and the run's ``with`` cleans up."""

    def something_to_lose(self) -> None:
        return

    def asked(self) -> bool:
        return False


def _is_scenario(path: Path) -> bool:
    """By its first line of its own: a map may be large, and of another tool."""
    try:
        with path.open(encoding="utf-8") as file:
            return any(line.replace(" ", "").startswith("shadowlab:scenario/") for line in file)
    except (OSError, UnicodeDecodeError):  # whoever reads the map says what is wrong with it
        return False


def _fitting(subjects: Sequence[str], pattern: str) -> tuple[str, ...]:
    return tuple(one for one in subjects if fnmatchcase(one, pattern))


def _drawn(times: NDArray[np.float64], values: NDArray[np.float64]) -> str:
    """A line of bars over time, each the highest value of its share of the run; a dot where nothing was seen."""
    import numpy as np

    parts = np.array_split(values, min(_WIDTH, len(values)))
    highest = [float(np.nanmax(part)) if not np.isnan(part).all() else None for part in parts]
    seen = [one for one in highest if one is not None]
    if not seen:
        return ""
    least, most = min(seen), max(seen)
    step = (most - least) / (len(_BARS) - 1) or 1.0
    bars = "".join("·" if one is None else _BARS[round((one - least) / step)] for one in highest)
    return f"{bars}  {least:.4g} to {most:.4g}, {times[0]:g} to {times[-1]:g} s"
