"""What a watch knows of the sound network: the calibrated links, the records that count as normal.

In: files of the state folder.  Out: a calibration, a baseline; and back as bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shadowlab.lab.watch.folder import StateFolder
from shadowlab.model.calibration import Calibration
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources import jsonl
from shadowlab.telemetry.tally import Tally

MOST_BASELINE = 200_000


def calibration_from(folder: StateFolder, name: str, network: Network) -> Calibration | None:
    """None where there is none, or where it is of another map."""
    content = folder.read(name) if name else None
    if content is None:
        return None
    try:
        return Calibration.from_json(content.decode(), network)
    except ValueError:
        return None  # the map was renamed: what was learned of another is not of this one


def baseline_from(folder: StateFolder, name: str) -> tuple[TcpRecord, ...]:
    """Empty where there is none."""
    content = folder.read(name) if name else None
    if content is None:
        return ()
    return tuple(jsonl.read(Source(name=name, blocks=iter((content,)), tally=Tally(name))))


def baseline_bytes(records: Sequence[TcpRecord]) -> bytes:
    """As JSON lines of ours."""
    return "".join(f"{line}\n" for line in (jsonl.header_line(), *map(jsonl.line_of, records))).encode()


def recorded_baseline(path: Path) -> tuple[TcpRecord, ...]:
    """Of any format.  Raises InputError."""
    kept: list[TcpRecord] = []
    with open_telemetry(path) as reading:
        for one in reading.records:
            if len(kept) < MOST_BASELINE:
                kept.append(one)
        reading.check()
    return tuple(kept)
