"""Copies of production: what is made of the map and the telemetry alone.

In: a map without parameters, a telemetry file.  Out: a network and traffic to be run as a shadow, or figures without
any run.  Never: a look at the truth.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.hidden.book import Book, Given
from benchmarks.hidden.network import nameplate, with_rates
from benchmarks.hidden.workload import Traffic
from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.lab.calibration.refine import Refine
from shadowlab.lab.sources import attach_file
from shadowlab.model.calibration.whole import Calibration
from shadowlab.model.network import Network
from shadowlab.telemetry.attach import Connection
from shadowlab.topology.formats import load_map


@dataclass(frozen=True, kw_only=True)
class Copy:
    """``network`` is calibrated, ``guess`` is the same map with a nameplate on every link."""

    calibration: Calibration
    network: Network
    guess: Network
    traffic: Traffic
    connections: Sequence[Connection]
    processor_s: float
    """What the calibration took; guests, which end apart from it, are not counted."""

    @property
    def refining_runs(self) -> int:
        """Of the shadow, that calibration asked for."""
        return len(self.calibration.refinement)


def copy_of(book: Book, given: Given, *, seconds: float, refine: bool) -> Copy:
    """The calibrated copy; with ``refine`` as the product makes it by default.  Made once for the same files and the
    same code, then found in the book's folder."""
    digest = hashlib.sha256(given.map.read_bytes() + given.telemetry.read_bytes() + _code())
    digest.update(repr((seconds, refine, book.grounds.shadow.description)).encode())
    path = book.folder / "copies" / f"{digest.hexdigest()[:20]}.pickle"
    if path.exists():
        return _unpickled(path)
    with tempfile.TemporaryDirectory(dir=book.scratch()) as name:
        how = Refine(place=book.grounds.shadow, folder=Path(name)) if refine else None
        copy = _copy(given.map, given.telemetry, seconds=seconds, refine=how)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_bytes(pickle.dumps(copy))
    beside.rename(path)
    return copy


def _unpickled(path: Path) -> Copy:
    copy = pickle.loads(path.read_bytes())
    assert isinstance(copy, Copy)
    return copy


@cache
def _code() -> bytes:
    """Of all that a calibration comes from."""
    root = Path(__file__).parents[2] / "shadowlab"
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for room in ("calibrate", "lab/calibration", "model", "telemetry", "topology"):
        for path in sorted((root / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.digest()


def _spent_s() -> float:
    """Processor time of this process and of those that it waited for."""
    return sum(
        one.ru_utime + one.ru_stime for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _copy(map_file: Path, telemetry: Path, *, seconds: float, refine: Refine | None) -> Copy:
    """A rate that the calibration does not know is that of the nameplate."""
    before = _spent_s()
    bare = load_map(map_file)
    attachment, _ = attach_file(telemetry, bare)
    found = calibrate(bare, attachment, refine=refine, run_ns=round(seconds * 1e9))
    return Copy(
        calibration=found,
        network=with_rates(found.network()),
        guess=nameplate(bare),
        traffic=Traffic(flows=found.demands.flows, workloads=found.demands.workloads),
        connections=attachment.connections,
        processor_s=_spent_s() - before,
    )
