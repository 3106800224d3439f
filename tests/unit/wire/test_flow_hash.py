"""The hash of flows: its parts against their authors' vectors.  The contract holds the whole against the kernel."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shadowlab.wire import flow_hash

_KEY = bytes(range(16))


def test_siphash_gives_its_authors_vector() -> None:
    low, high = (int.from_bytes(half, "little") for half in (_KEY[:8], _KEY[8:]))

    assert flow_hash.siphash(bytes(range(15)), low, high) == 0xA129CA6149BE45E5


@given(st.integers(0, 65_535), st.integers(0, 65_535), st.integers(1, 2**32 - 1), st.booleans())
def test_both_directions_of_a_flow_hash_alike(one: int, other: int, seed: int, ipv6: bool) -> None:
    near, far = ("2001:db8::1", "2001:db8::2") if ipv6 else ("192.0.2.1", "192.0.2.2")

    there = flow_hash.flow_hash(near, far, (6, one, other), seed)
    back = flow_hash.flow_hash(far, near, (6, other, one), seed)

    assert there == back


@given(st.integers(2, 16), st.integers(0, 2**32 - 1))
def test_ways_share_the_hashes_in_order(ways: int, hashed: int) -> None:
    place = flow_hash.place_of(hashed, [1] * ways)

    assert place == min(ways - 1, hashed * ways >> 32) or abs(hashed * ways % 2**32) < 4 * ways


@given(st.lists(st.integers(1, 256), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_a_weight_counts_as_so_many_ways(weights: list[int], hashed: int) -> None:
    alike = [place for place, weight in enumerate(weights) for _ in range(weight)]

    place = flow_hash.place_of(hashed, weights)

    assert place == alike[flow_hash.place_of(hashed, [1] * len(alike))]


def test_seeds_and_mixing_spread_flows() -> None:
    flows = [(17, port, 7000) for port in range(3000)]
    hashes = [flow_hash.flow_hash("192.0.2.1", "192.0.2.2", flow, 7) for flow in flows]

    for spread in (hashes, [flow_hash.mixed(one) for one in hashes]):
        shares = Counter(flow_hash.place_of(one, [1, 1, 1]) for one in spread)
        assert all(800 < share < 1200 for share in shares.values()), shares
