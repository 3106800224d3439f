"""Mixes of packet sizes by the letters of RFC 6985."""

from __future__ import annotations

import pytest

from shadowlab.lab.workloads.imix import FRAME_BYTES, payloads_of


def test_letters_are_frames_and_what_is_sent_fills_them() -> None:
    assert payloads_of("aaafg", ipv6=False) == (18, 18, 18, 1234, 1472)
    assert payloads_of("bg", ipv6=True) == (62, 1452)


def test_the_simple_mix_is_seven_four_and_one() -> None:
    found = payloads_of("simple", ipv6=False)

    assert [found.count(size - 46) for size in (64, 594, 1518)] == [7, 4, 1]


@pytest.mark.parametrize("genome", ["", "A", "aaz", "a" * 201, "simpel"])
def test_a_genome_with_other_letters_is_refused_with_those_there_are(genome: str) -> None:
    with pytest.raises(ValueError, match="a 64, b 128"):
        payloads_of(genome, ipv6=False)


def test_the_smallest_frame_holds_no_datagram_of_ours_over_ipv6() -> None:
    with pytest.raises(ValueError, match="begin with b"):
        payloads_of("ag", ipv6=True)
    assert all(payloads_of(letter, ipv6=True) for letter in FRAME_BYTES.keys() - {"a"})
