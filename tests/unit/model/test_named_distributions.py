"""The named distributions say what their papers say of them."""

from __future__ import annotations

import pytest

from shadowlab.model.traffic.named import NAMED


def test_half_of_the_flows_of_a_search_are_small_and_the_large_ones_carry_the_bytes() -> None:
    search = NAMED["web-search"]

    assert search.quantile(0.53) == pytest.approx(80e3)
    assert search.mean() > 20 * search.quantile(0.5)


def test_four_in_five_flows_of_data_mining_are_below_10_kb() -> None:
    mining = NAMED["data-mining"]

    assert mining.quantile(0.8) == pytest.approx(10e3)
    assert mining.quantile(0.99) > 100e6


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_size_is_at_least_a_byte_and_the_name_is_kept(name: str) -> None:
    one = NAMED[name]

    assert one.name == name
    assert one.quantile(0) >= 1
    assert [one.quantile(share) for share in (0.1, 0.5, 0.9)] == sorted(
        one.quantile(share) for share in (0.1, 0.5, 0.9)
    )
