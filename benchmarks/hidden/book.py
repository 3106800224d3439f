"""The results folder: every run once, whoever asks, and again only when what went into it has changed.

In: jobs.  Out: what their runs came to.  A run is named by the content of its job, the kernel it ran on and the code
that drove it, so an interrupted bench goes on where it stopped.

``given/`` holds what a copy may be made of, ``sealed/`` what only the scorer opens, ``series/`` what ``shadowlab run``
derives from a run of a scenario.  Several processes may write into one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.hidden.inside import LOG_FILE, TELEMETRY_FILE
from benchmarks.hidden.measured import Seen, measure
from benchmarks.hidden.network import Hidden
from benchmarks.hidden.produce import Grounds, job_of, production_task, run_production, run_shadow
from benchmarks.hidden.workload import Traffic
from shadowlab.lab.analyse import measure as indicators
from shadowlab.lab.execute import LEAST_GUEST_BYTES, Work, execute
from shadowlab.lab.prepare import Prepared
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Network
from shadowlab.store.series import read_series, write_series
from shadowlab.topology.writers.native import write_native

Window = tuple[float, float]
"""Seconds of a run: from, to."""
_DRIVING = ("kernel", "monitor", "shadow", "traffic", "wire")
"""Rooms whose code decides what a job comes to."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is known of a production: files."""

    map: Path
    telemetry: Path


@dataclass(kw_only=True)
class Book:
    """``made`` and ``found`` count runs that were made, and those that were there already."""

    folder: Path
    grounds: Grounds
    made: int = 0
    found: int = 0
    failures: list[str] = field(default_factory=list)

    def production(
        self, hidden: Hidden, traffic: Traffic, windows: Sequence[Window], *, seed: int, seconds: float, told_s: float
    ) -> tuple[Given, list[Seen]]:
        """One run of production: what it gives away, and the truth of each window."""
        task = production_task(hidden, traffic, seed=seed, seconds=seconds, told_s=told_s)
        key = _key(task, self.grounds.production.key, windows)
        given = Given(
            map=self.folder / "given" / key / "map.yaml", telemetry=self.folder / "given" / key / TELEMETRY_FILE
        )
        sealed = self.folder / "sealed" / f"{key}.json"
        if not sealed.exists():
            with tempfile.TemporaryDirectory(dir=self.scratch()) as name:
                raw = Path(name)
                run_production(self.grounds.production, task, raw, seed=seed, seconds=seconds)
                seen = [measure(raw, hidden.network, traffic, from_s=a, to_s=b) for a, b in windows]
                log = json.loads((raw / LOG_FILE).read_text())
                given.map.parent.mkdir(parents=True, exist_ok=True)
                given.map.write_text(write_native(hidden.bare_map())[0])
                shutil.move(raw / TELEMETRY_FILE, given.telemetry)
            _write(sealed, {"seen": [one.to_json() for one in seen], "failures": log["failures"]})
            self.made += 1
        else:
            self.found += 1
        known = json.loads(sealed.read_text())
        self.failures += known["failures"]
        return given, [Seen.from_json(one) for one in known["seen"]]

    def shadow(self, network: Network, traffic: Traffic, window: Window, *, seed: int, seconds: float) -> Seen:
        """One run of a shadow."""
        job = job_of(network, traffic, seed=seed, seconds=seconds)
        assert self.grounds.shadow.kernel is not None
        key = _key(job.to_bytes(), self.grounds.shadow.kernel.key, [window])
        path = self.folder / "shadows" / f"{key}.json"
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=self.scratch()) as name:
                run_shadow(self.grounds.shadow, job, Path(name))
                seen = measure(Path(name), network, traffic, from_s=window[0], to_s=window[1])
            _write(path, seen.to_json())
            self.made += 1
        else:
            self.found += 1
        return Seen.from_json(json.loads(path.read_text()))

    def series(self, prepared: Prepared) -> SeriesTable:
        """The indicators of each path of a scenario's shadow, as ``shadowlab run`` would derive them."""
        assert self.grounds.shadow.kernel is not None
        job = prepared.job()
        path = self.folder / "series" / f"{_key(job.to_bytes(), self.grounds.shadow.kernel.key, [])}.csv"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.scratch()) as name:
                work = Work(name="shadow", job=job, folder=Path(name), expected_wall_s=prepared.cost.wall_s,
                            memory_bytes=2 * LEAST_GUEST_BYTES, files=prepared.files)  # fmt: skip
                execute(self.grounds.shadow, [work], lambda _name, _share: None, lambda: False)
                beside = path.with_suffix(f".{os.getpid()}")
                write_series(beside, indicators(Path(name), prepared, prepared.scenario.duration_ns).paths)
                beside.rename(path)
            self.made += 1
        else:
            self.found += 1
        return read_series(path)

    def scratch(self) -> Path:
        """A folder for what nobody keeps."""
        scratch = self.folder / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch


def _key(job: bytes, kernel: str, windows: Sequence[Window]) -> str:
    return hashlib.sha256(job + kernel.encode() + repr(list(windows)).encode() + _code().encode()).hexdigest()[:20]


@cache
def _code() -> str:
    root = Path(__file__).parents[2] / "shadowlab"
    digest = hashlib.sha256(Path(__file__).with_name("inside.py").read_bytes())
    digest.update(Path(__file__).with_name("measured.py").read_bytes())
    for room in _DRIVING:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(path: Path, content: object | Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(content, sort_keys=True))
    beside.rename(path)
