"""What TCP made of a flow, recorded and in the shadow, side by side."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest

from shadowlab.correlate.parameters import compare_parameters
from shadowlab.model.traffic.parameters import OBSERVED
from shadowlab.monitor.layout import FLAG_FAILED
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.monitor.tcp_means import tcp_means
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS

SECOND = 10**9


def info(**values: int) -> bytes:
    return b"".join(struct.pack("=" + form, values.get(name, 0)) for name, _, form in TCP_INFO_FIELDS)


def test_both_sides_stand_beside_each_other_and_what_scales_is_scaled() -> None:
    recorded = {"f": {"cwnd_segments": 40.0, "rto_ms": 220.0}}

    (one, other) = compare_parameters(
        ("f", "g"),
        recorded,
        ({"cwnd_segments": 9.0, "srtt_ms": 20.0}, {"mss_bytes": 1448.0}),
        {"g": "mss 8900, holds 1448"},
        scale=4,
    )

    assert one.observed["cwnd_segments"] == (10.0, 9.0)
    assert one.observed["rto_ms"][0] == 220.0
    assert math.isnan(one.observed["rto_ms"][1])
    assert math.isnan(one.observed["srtt_ms"][0])
    assert (other.differs, list(other.observed)) == ("mss 8900, holds 1448", ["mss_bytes"])


def test_means_are_over_living_samples_within_the_window_that_the_kernel_knew(tmp_path: Path) -> None:
    samples = (
        (0, 0, info(snd_cwnd=99, rto=99_000)),
        (1, 0, info(snd_cwnd=10, rto=200_000, snd_ssthresh=0x7FFFFFFF, delivery_rate=0)),
        (2, 0, info(snd_cwnd=20, rto=220_000, snd_ssthresh=12, delivery_rate=125_000)),
        (2, FLAG_FAILED, info(snd_cwnd=7)),
    )

    with RawFiles(str(tmp_path)) as files:
        for at_s, flags, held in samples:
            files.rows("tcp").append(at_s * SECOND, 0, flags, 0, 0, 0, held)
    (means,) = tcp_means(tmp_path, 1, from_ns=0, to_ns=2 * SECOND)

    assert means["cwnd_segments"] == 15
    assert means["rto_ms"] == pytest.approx(210)
    assert means["ssthresh_segments"] == 12
    assert means["delivery_rate_mbps"] == pytest.approx(1.0)


def test_the_reference_lists_what_is_compared() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "tcp-parameters.md").read_text(encoding="utf-8")
    section = page.partition("## What is observed")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")]

    assert [(name.strip("`"), field.strip("`"), scales == "yes") for name, field, _, scales in rows] == [
        (one.name, one.record, one.scales) for one in OBSERVED
    ]
    assert all(f"`{one.info}`" in row[2] for one, row in zip(OBSERVED, rows, strict=True))
