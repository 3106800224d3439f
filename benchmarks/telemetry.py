"""How many sockets a second the telemetry readers take from one core, and how much memory a long file needs.

The text is what ``ss`` printed in the Abilene recording, over and over; the bytes are those of a loopback recording.
Every record is made and looked at (one field of it), none is kept.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report
from shadowlab.telemetry.blocks import BLOCK_BYTES
from shadowlab.telemetry.formats import BY_NAME
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.jsonl import line_of
from shadowlab.telemetry.survey.summary import Summarizer
from shadowlab.telemetry.tally import Tally

ROOT = Path(__file__).parents[1]
RUNS = 5
SOCKETS = 100_000
AT_NS = 1_795_338_000_000_000_000


def _blocks(piece: bytes, times: int) -> Iterator[bytes]:
    """``piece`` over and over, cut as files are read."""
    block = piece * max(1, BLOCK_BYTES // len(piece))
    for _ in range(max(1, times * len(piece) // len(block))):
        yield block


def _sockets() -> list[bytes]:
    text = (ROOT / "topologies" / "abilene" / "before.ss").read_bytes()
    return [line for line in text.splitlines(keepends=True) if line.startswith(b"ESTAB")]


def _rate(name: str, piece: bytes, times: int) -> float:
    """Records a second of processor time."""
    tally = Tally("benchmark")
    source = Source(name="benchmark", blocks=_blocks(piece, times), tally=tally, instance="web", at_ns=AT_NS)
    before, count = time.process_time(), 0
    for record in BY_NAME[name].read(source):
        count += record.at_ns == AT_NS
    took = time.process_time() - before
    if tally.unreadable:
        sys.exit(f"{name}: {tally.places[0]}")
    return count / took


def _two_lines(sockets: list[bytes]) -> bytes:
    """As ss prints them without ``-O``."""
    return b"".join(
        b"\n\t ".join((b" ".join(words[:5]), words[5])) for words in (one.split(None, 5) for one in sockets)
    )


def main() -> None:
    """Print the figures."""
    sockets = _sockets()
    one_line = b"".join(sockets)
    raw = (ROOT / "tests" / "captures" / "telemetry" / "loopback.nl").read_bytes()
    messages = raw[: raw.rfind(b"\x14\0\x03\0") - 2] if b"\x14\0\x03\0" in raw else raw
    reading = BY_NAME["ss"].read(
        Source(name="x", blocks=iter([one_line]), tally=Tally("x"), instance="web", at_ns=AT_NS)
    )
    ours = "\n".join(line_of(record) for record in reading).encode() + b"\n"
    for what, name, piece, records, target in (
        ("ss -tinOHm text", "ss", one_line, len(sockets), 100_000),
        ("ss -tinHm text, two lines a socket", "ss", _two_lines(sockets), len(sockets), 100_000),
        ("sock_diag bytes", "sock_diag", messages, 4, None),
        ("our JSON lines", "jsonl", ours, len(sockets), None),
    ):
        report(
            benchmark=f"telemetry: {what}",
            unit="sockets/s",
            values=[_rate(name, piece, SOCKETS // records) for _ in range(RUNS)],
            target=target,
            bytes_per_socket=round(len(piece) / records),
        )
    summarizer, before, count = Summarizer(), time.process_time(), 0
    endless = Source(
        name="x", blocks=_blocks(one_line, 3 * SOCKETS // len(sockets)), tally=Tally("x"), instance="web", at_ns=AT_NS
    )
    for record in itertools.chain(BY_NAME["ss"].read(endless)):
        summarizer.add(record)
        count += 1
    report(
        benchmark="telemetry: summary of ss text",
        unit="sockets/s",
        values=[count / (time.process_time() - before)],
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
    )


if __name__ == "__main__":
    main()
