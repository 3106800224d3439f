"""Addresses as text and bytes: as the standard library has them, which the guest has no time to import."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.wire import addresses


@given(st.binary(min_size=16, max_size=16) | st.lists(st.sampled_from([0, 0, 1, 0xAB0]), min_size=8, max_size=8))
def test_ipv6_is_written_and_read_as_the_standard_library_does(payload: bytes | list[int]) -> None:
    packed = payload if isinstance(payload, bytes) else b"".join(group.to_bytes(2, "big") for group in payload)
    text = str(ipaddress.IPv6Address(packed))

    assert addresses.format_address(packed) == text
    assert addresses.pack_address(text) == packed
    assert addresses.pack_address(ipaddress.IPv6Address(packed).exploded.upper()) == packed


@given(st.text(alphabet="0123456789abcdefg:.%/", max_size=20).filter(lambda text: ":" in text))
def test_ipv6_text_is_taken_or_refused_as_by_the_standard_library(text: str) -> None:
    try:
        wanted = None if "%" in text else ipaddress.IPv6Address(text).packed
    except ValueError:
        wanted = None

    try:
        held = addresses.pack_address(text)
    except ValueError as error:
        assert "is not an IPv6 address" in str(error)
        held = None

    assert held == wanted


@pytest.mark.parametrize("text", ["::ffff:10.0.0.1", "::", "1::", "::1", "1:2:3:4:5:6:7::", "fe80::1"])
def test_short_forms_are_read(text: str) -> None:
    assert addresses.pack_address(text) == ipaddress.IPv6Address(text).packed


@pytest.mark.parametrize("text", ["1.2.3.4::", "1:2:3:4:5:6:7:8::", "1::2::3", ":1", "1:", "fe80::1%eth0", "::12345"])
def test_what_is_no_ipv6_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an IPv6 address"):
        addresses.pack_address(text)


@pytest.mark.parametrize("address", ["", "10.0.0", "10.0.0.256", "10.0.0.0.1", "ten.0.0.1", "10.0.0.-1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not an IPv4 address"):
        addresses.pack_address(address)


def test_each_address_has_one_text() -> None:
    assert addresses.canonical("2001:DB8:0:0::0001") == "2001:db8::1"


@pytest.mark.parametrize(
    "prefix", ["10.0.0.1", "10.0.0.1/24", "10.0.0.0/33", "10.0.0.0/-1", "2001:db8::/129", "::1/64"]
)
def test_what_is_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"prefix|bits beyond"):
        addresses.pack_prefix(prefix)


def test_a_prefix_is_an_address_and_a_length() -> None:
    assert addresses.pack_prefix("2001:db8::/32") == (ipaddress.IPv6Address("2001:db8::").packed, 32)
    assert addresses.pack_prefix("0.0.0.0/0") == (bytes(4), 0)
