"""Reads bytes as a file of a format, for the tests of the readers."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.blocks import read_blocks
from shadowlab.telemetry.formats import format_named
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.tally import Tally

CAPTURES = Path(__file__).parents[2] / "captures" / "telemetry"


@dataclass(frozen=True)
class Read:
    """What a reader made of the bytes."""

    records: tuple[TcpRecord, ...]
    tally: Tally

    @property
    def places(self) -> list[str]:
        return [fault.place for fault in self.tally.places]

    @property
    def messages(self) -> list[str]:
        return [fault.message for fault in self.tally.places]


def read(kind: str, *parts: bytes, instance: str = "", at_ns: int | None = None, path: Path | None = None) -> Read:
    """Read the parts, joined, as a file ``x`` of format ``kind``."""
    tally = Tally("x")
    blocks = read_blocks(io.BytesIO(b"".join(parts)), tally)
    source = Source(name="x", blocks=blocks, tally=tally, instance=instance, at_ns=at_ns, path=path)
    return Read(tuple(format_named(kind).read(source)), tally)


def only(reading: Read) -> TcpRecord:
    (record,) = reading.records
    return record
