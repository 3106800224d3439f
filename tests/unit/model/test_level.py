"""Limits as people write them."""

from __future__ import annotations

import pytest

from shadowlab.model.level import parse_limit


@pytest.mark.parametrize(
    ("kpi", "text", "limit"),
    [
        ("loss", "0.02", 0.02),
        ("loss", "2 %", 0.02),
        ("latency_p95_ms", "110", 110.0),
        ("latency_p95_ms", "0.11 s", 110.0),
        ("throughput_mbps", "5 Mbit", 5.0),
        ("throughput_mbps", "500 kbit", 0.5),
        ("cwnd_segments", "10", 10.0),
    ],
)
def test_a_limit_is_a_number_in_the_indicators_unit_or_has_one(kpi: str, text: str, limit: float) -> None:
    assert parse_limit(kpi, text) == pytest.approx(limit)


@pytest.mark.parametrize(
    ("kpi", "text"), [("loss", "2 ms"), ("latency_p95_ms", "2 %"), ("cwnd_segments", "ten"), ("nothing", "2 %")]
)
def test_another_unit_is_refused(kpi: str, text: str) -> None:
    with pytest.raises(ValueError, match=text.split()[0]):
        parse_limit(kpi, text)
