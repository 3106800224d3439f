"""Framing: what was packed is what is walked, and lengths that lie are refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.wire import netlink
from shadowlab.wire.netlink import Answer, Message, Request

requests = st.builds(
    Request,
    kind=st.integers(0, 0xFFFF),
    flags=st.integers(0, 0xFFFF).map(lambda flags: flags | netlink.NLM_F_REQUEST),
    body=st.binary(max_size=64),
)
attribute_lists = st.lists(st.tuples(st.integers(0, netlink.NLA_TYPE_MASK), st.binary(max_size=40)), max_size=8)


@given(st.lists(requests, max_size=6))
def test_messages_packed_one_after_the_other_are_walked_in_order(given_requests: list[Request]) -> None:
    buffer = b"".join(netlink.pack_message(request, number) for number, request in enumerate(given_requests))

    walked = list(netlink.walk_messages(buffer))

    assert walked == [Message(one.kind, one.flags, number, one.body) for number, one in enumerate(given_requests)]


@given(st.lists(requests, min_size=1, max_size=6))
def test_of_a_batch_the_last_alone_asks_for_an_acknowledgement(given_requests: list[Request]) -> None:
    plain = [Request(one.kind, one.flags & ~netlink.NLM_F_ACK, one.body) for one in given_requests]

    walked = list(netlink.walk_messages(netlink.pack_batch(plain, 7)))

    wanted = [Message(one.kind, one.flags, 7 + place, one.body) for place, one in enumerate(plain)]
    wanted[-1] = wanted[-1]._replace(flags=wanted[-1].flags | netlink.NLM_F_ACK)
    assert walked == wanted


@given(attribute_lists)
def test_attributes_packed_are_walked_in_order(given_attributes: list[tuple[int, bytes]]) -> None:
    buffer = b"".join(netlink.pack_attribute(kind, payload) for kind, payload in given_attributes)

    assert list(netlink.walk_attributes(buffer)) == given_attributes
    assert len(buffer) % 4 == 0


@given(attribute_lists)
def test_nesting_keeps_what_it_holds(given_attributes: list[tuple[int, bytes]]) -> None:
    packed = netlink.pack_nested(7, *(netlink.pack_attribute(kind, payload) for kind, payload in given_attributes))

    [(kind, payload)] = netlink.walk_attributes(packed)

    assert kind == 7
    assert list(netlink.walk_attributes(payload)) == given_attributes


def test_text_loses_its_terminator() -> None:
    [(_, payload)] = netlink.walk_attributes(netlink.pack_text(3, "veth"))

    assert payload == b"veth\0"
    assert netlink.text(payload) == "veth"


@pytest.mark.parametrize("length", [0, 15, 17, 4096])
def test_a_message_whose_length_lies_is_refused(length: int) -> None:
    buffer = struct.pack("=IHHII", length, 2, 0, 1, 0)

    with pytest.raises(ValueError, match=f"claims {length} bytes"):
        list(netlink.walk_messages(buffer))


@pytest.mark.parametrize("length", [0, 3, 9])
def test_an_attribute_whose_length_lies_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"claims {length} bytes"):
        list(netlink.walk_attributes(struct.pack("=HH", length, 1) + b"four"))


def _error(number: int, flags: int, quoted: bytes, words: bytes) -> Message:
    header = struct.pack("=IHHII", 16 + len(quoted), 20, 0, 9, 0)
    extra = netlink.pack_attribute(netlink.NLMSGERR_ATTR_MSG, words) if words else b""
    return Message(netlink.NLMSG_ERROR, flags, 9, struct.pack("=i", -number) + header + quoted + extra)


def test_an_acknowledgement_is_errno_zero() -> None:
    assert netlink.parse_answer(_error(0, netlink.NLM_F_CAPPED, b"", b"")) == Answer(0, "")


def test_the_kernels_words_follow_a_capped_quotation() -> None:
    message = _error(22, netlink.NLM_F_CAPPED | netlink.NLM_F_ACK_TLVS, b"", b"Invalid prefix\0")

    assert netlink.parse_answer(message) == Answer(22, "Invalid prefix")


def test_the_kernels_words_follow_a_whole_quotation() -> None:
    message = _error(22, netlink.NLM_F_ACK_TLVS, b"quoted12", b"Invalid prefix\0")

    assert netlink.parse_answer(message) == Answer(22, "Invalid prefix")
