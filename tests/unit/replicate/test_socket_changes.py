"""What is told of a reading: all that moved, once; and what ended."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicate_pieces import AT_NS, message

from shadowlab.replicate.batch import Head, decode_batch, encode_batch
from shadowlab.replicate.sending.changes import Changes, Tracker
from shadowlab.replicate.sending.disguise import as_they_are, disguise_of
from shadowlab.replicate.sending.lines import RECORDS_A_BATCH, batches_of, lines_of
from shadowlab.telemetry.sources.sock_diag import fields_of_socket
from shadowlab.wire.inet_diag import decode_socket

NEVER = 200


def tracker(refresh: int = NEVER, *, loopback: bool = False) -> Tracker:
    """One that had its first reading, in which nothing was open; cookies not a multiple of 256 are not refreshed."""
    made = Tracker(refresh=refresh, loopback=loopback)
    made.read([])
    return made


def cookies(messages: list[bytes]) -> list[int]:
    return [decode_socket(one).cookie for one in messages]


def test_new_and_changed_sockets_are_told_and_others_not() -> None:
    one = tracker()

    first = one.read([message(101, acked=5), message(102, acked=5)])
    second = one.read([message(101, acked=6), message(102, acked=5, age_ms=10_000)])

    assert (cookies(first.told), first.opened, first.open) == ([101, 102], 2, 2)
    assert (cookies(second.told), second.opened) == ([101], 0)


def test_a_change_of_state_is_told() -> None:
    one = tracker()
    one.read([message(101)])

    assert cookies(one.read([message(101, state=8)]).told) == [101]


def test_what_does_not_move_is_told_now_and_then() -> None:
    one = tracker(refresh=4)
    still = [message(cookie) for cookie in range(1, 41)]
    one.read(still)

    told = [len(one.read(still).told) for _ in range(8)]

    assert told == [10] * 8


def test_the_first_reading_cannot_tell_what_was_opened() -> None:
    assert Tracker(refresh=6, loopback=True).read([message(1)]).opened is None


def test_a_connection_shorter_than_an_interval_is_told_and_counted() -> None:
    one = tracker()

    one.end(message(7, acked=900, state=7), AT_NS)
    changes = one.read([])

    assert [(at_ns, decode_socket(body).cookie) for at_ns, body in changes.ended] == [(AT_NS, 7)]
    assert (changes.opened, changes.open, changes.vanished) == (1, 0, [])


def test_an_end_that_was_heard_is_no_second_one() -> None:
    one = tracker()
    one.read([message(7)])

    one.end(message(7, state=7), AT_NS)
    changes = one.read([])

    assert (len(changes.ended), changes.vanished, changes.opened) == (1, [], 0)


def test_an_end_that_was_not_heard_is_told_without_counters() -> None:
    one = tracker()
    one.read([message(7, acked=5)])

    changes = one.read([])
    _, gone = [json.loads(text) for text in told(changes)]

    assert (gone["state"], gone["peer_address"], "bytes_acked" in gone) == ("CLOSED", "198.51.100.7", False)


@pytest.mark.parametrize(("loopback", "count"), [(False, 0), (True, 1)])
def test_loopback_is_told_on_request(loopback: bool, count: int) -> None:
    one = tracker(loopback=loopback)

    assert len(one.read([message(1, local=b"\x7f\0\0\1")]).told) == count


def test_the_agents_own_connection_is_left_out() -> None:
    one = tracker()
    one.own = {7}

    one.end(message(7, state=7), AT_NS)

    assert one.read([message(7), message(8)]).open == 1


@given(st.lists(st.sampled_from([b"", b"\x08\0\x08\0\1\0\0\0", b"\x08\0\x15\0\2\0\2\0"]), min_size=1, max_size=8))
def test_info_is_found_wherever_it_stands(before: list[bytes]) -> None:
    one = tracker()

    first = one.read([message(number + 1, before_info=part) for number, part in enumerate(before)])
    second = one.read([message(number + 1, acked=1, before_info=part) for number, part in enumerate(before)])

    assert len(first.told) == len(second.told) == len(before)


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_damaged_messages_are_passed_over(messages: list[bytes]) -> None:
    one = tracker()
    for body in messages:
        one.end(body, AT_NS)

    assert all(
        decode_socket(body) for body in one.read(messages).told if body[0] in (2, 10) and body[1] in range(1, 13)
    )


def told(changes: Changes, disguise=as_they_are) -> list[str]:  # type: ignore[no-untyped-def]
    return list(lines_of(changes, {}, instance="web", at_ns=AT_NS, from_ns=AT_NS - 5, disguise=disguise))


def test_lines_are_records_that_the_receiver_takes() -> None:
    one = tracker()
    one.end(message(7, acked=900, state=7), AT_NS - 3)
    changes = one.read([message(8, acked=5)])

    lines = told(changes)
    head = Head(instance="web", stream="0" * 16, sequence=1, records=len(lines))
    _, (ended, host, open_) = decode_batch(encode_batch(head, lines))

    assert ended.at_ns <= host.at_ns <= open_.at_ns
    assert (host.scope, host.connections_open, host.connections_opened, host.from_ns) == ("host", 1, 2, AT_NS - 5)
    assert (ended.state, ended.closed_ns, ended.bytes_acked) == ("CLOSED", AT_NS - 3, 900)
    assert (open_.state, open_.at_ns, open_.bytes_acked) == ("ESTAB", AT_NS, 5)


@pytest.mark.parametrize("name", ["web", 'we"b', "w\\eb", "wéb %s"])
def test_a_line_is_json_whatever_the_instance_is_called(name: str) -> None:
    changes = tracker().read([message(8, acked=5)])

    lines = list(lines_of(changes, {}, instance=name, at_ns=AT_NS, from_ns=None, disguise=as_they_are))

    fields = fields_of_socket(decode_socket(message(8, acked=5)))
    assert json.loads(lines[1]) == {**fields, "at_ns": AT_NS, "instance": name}


def test_no_address_leaves_undisguised() -> None:
    one = tracker()
    one.end(message(7, state=7), AT_NS)
    one.read([message(9)])
    changes = one.read([message(8)])

    text = "".join(told(changes, disguise_of({}, b"k" * 16)))

    assert "192.0.2" not in text
    assert "198.51.100" not in text


def test_batches_are_cut_by_count() -> None:
    sizes = [len(piece) for piece in batches_of(iter(["x"] * (2 * RECORDS_A_BATCH + 1)))]

    assert sizes == [RECORDS_A_BATCH, RECORDS_A_BATCH, 1]
