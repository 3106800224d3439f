"""Real captures, recorded in the embedded kernel by scripts/record_captures.py: every verdict is tshark's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from capture_packets import Seen, see

from shadowlab.telemetry.capture.verdicts import Verdict

FOLDER = Path(__file__).parents[2] / "captures" / "telemetry"
NAMES = sorted(path.name.removesuffix(".json") for path in FOLDER.glob("tcp-*.json"))
OURS = {
    name: Verdict.RETRANSMISSION | Verdict.FAST_RETRANSMISSION | Verdict.SPURIOUS_RETRANSMISSION
    if name == "retransmission"
    else Verdict[name.upper()]
    for name in (
        *("retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order", "lost_segment"),
        *("duplicate_ack", "zero_window", "window_full", "window_update", "keep_alive", "keep_alive_ack"),
        *("zero_window_probe", "zero_window_probe_ack"),
    )
}


def capture(name: str) -> bytes:
    return gzip.decompress((FOLDER / f"{name}.pcapng.gz").read_bytes())


def test_there_are_captures() -> None:
    assert len(NAMES) == 6


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_has_the_verdicts_of_tshark(name: str) -> None:
    said = json.loads((FOLDER / f"{name}.json").read_text())["frames"]

    seen = see(capture(name))

    assert {flag: seen.frames(OURS[flag]) for flag in said} == said


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-a")])
def test_the_median_round_trip_is_that_of_tshark(name: str) -> None:
    said = json.loads((FOLDER / f"{name}.json").read_text())["round_trips_s"]

    seen = see(capture(name))

    assert np.median(seen.round_trips_ns) / 1e9 == pytest.approx(np.median(said), rel=0.01)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("piece_bytes", [300, 20_000])
def test_the_size_of_the_pieces_does_not_matter(name: str, piece_bytes: int) -> None:
    octets = capture(name)[:200_000]

    whole, pieces = see(octets), see(octets, piece_bytes=piece_bytes)

    def known(seen: Seen) -> object:
        return sorted(map(repr, seen.connections)), seen.verdicts, seen.round_trips_ns

    assert known(pieces) == known(whole)
