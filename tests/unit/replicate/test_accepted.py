"""Every batch is new once, in whatever order and however often it comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shadowlab.replicate.receiving.accepted import (
    MOST_AHEAD,
    MOST_STREAMS,
    Accepted,
    Entry,
    encode_entry,
    read_journal,
)

STREAM = "00000000000000a1"
ARRIVALS = st.lists(st.tuples(st.sampled_from([STREAM, "00000000000000a2"]), st.integers(1, 12)), max_size=60)


@given(ARRIVALS)
def test_each_is_new_exactly_once(arrivals: list[tuple[str, int]]) -> None:
    accepted, taken = Accepted(), []

    for stream, sequence in arrivals:
        if accepted.judge(stream, sequence, 1) == "new":
            accepted.note(stream, sequence, 1)
            taken.append((stream, sequence))

    assert sorted(taken) == sorted(set(arrivals))


@given(ARRIVALS)
def test_the_shortened_journal_says_the_same(arrivals: list[tuple[str, int]]) -> None:
    accepted, again = Accepted(), Accepted()
    for stream, sequence in arrivals:
        accepted.note(stream, sequence, 1)

    entries, damaged = read_journal(b"".join(map(encode_entry, accepted.entries(1, 99))))
    for one in entries:
        again.note(one.stream, one.sequence, one.oldest)

    assert damaged == 0
    for stream in (STREAM, "00000000000000a2"):
        for sequence in range(1, 14):
            assert again.judge(stream, sequence, 1) == accepted.judge(stream, sequence, 1)


def test_what_the_sender_gave_up_is_counted_and_waited_for_no_more() -> None:
    accepted = Accepted()
    accepted.note(STREAM, 1, 1)

    accepted.note(STREAM, 10, 8)  # 2 to 7 went unsent; 8 and 9 may still come

    assert accepted.missing == 6
    assert accepted.judge(STREAM, 7, 1) == "known"
    assert accepted.judge(STREAM, 8, 8) == "new"


def test_a_receiver_that_lost_its_state_goes_on_where_the_sender_is() -> None:
    accepted = Accepted()

    assert accepted.judge(STREAM, 10**9, 10**9) == "new"
    accepted.note(STREAM, 10**9, 10**9)

    assert accepted.missing == 0
    assert accepted.judge(STREAM, 10**9 + 1, 10**9) == "new"


def test_memory_is_bounded() -> None:
    accepted = Accepted()

    assert accepted.judge(STREAM, MOST_AHEAD + 1, 1) == "ahead"
    for number in range(MOST_STREAMS + 10):
        accepted.note(f"{number:016x}", 1, 1)

    assert len(list(accepted.entries(1, 0))) == MOST_STREAMS


def test_a_damaged_entry_costs_one_and_a_torn_one_none() -> None:
    entries = [Entry(stream=STREAM, sequence=one, oldest=1, segment=1, end=one * 10) for one in (1, 2, 3)]
    data = bytearray(b"".join(map(encode_entry, entries)))
    data[45] ^= 1

    found, damaged = read_journal(bytes(data) + b"torn")

    assert (found, damaged) == ([entries[0], entries[2]], 1)
