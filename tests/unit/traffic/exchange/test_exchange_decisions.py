"""Who asks whom and when: pairs, turns, users, rounds; and what a receiver of datagrams counts."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.traffic.chance import Chance
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Incast, Requests
from shadowlab.traffic.exchange.deciding.draws import Pairs, Turns
from shadowlab.traffic.exchange.deciding.rounds import Rounds
from shadowlab.traffic.exchange.deciding.stream import Reception
from shadowlab.traffic.exchange.deciding.users import Ask, Users

NODES = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)


@given(sources=NODES, targets=NODES, seed=st.integers(0, 1000))
def test_pairs_are_of_two_nodes_from_the_two_lists(sources: list[str], targets: list[str], seed: int) -> None:
    if len({*sources, *targets}) == 1:
        with pytest.raises(ValueError, match="no two different"):
            Pairs(sources, targets, Chance(seed))
        return

    drawn = [pairs.draw() for pairs in [Pairs(sources, targets, Chance(seed))] for _ in range(40)]

    assert all(source != target and source in sources and target in targets for source, target in drawn)


def test_every_pair_is_drawn_alike() -> None:
    pairs = Pairs("abc", "abc", Chance(1))

    counts = Counter(pairs.draw() for _ in range(6_000))

    assert len(counts) == 6
    assert all(850 < one < 1_150 for one in counts.values())


def test_servers_take_turns_and_nobody_serves_itself() -> None:
    turns = Turns("ab")

    assert [turns.server_for(client) for client in "xxxab"] == ["a", "b", "a", "b", "a"]


def users(**others: Any) -> Users:
    fields: dict[str, Any] = {
        "name": "shop",
        "clients": ("c",),
        "servers": ("s", "t"),
        "request": constant(1),
        "response": constant(1),
        "think_ns": constant(100),
    }
    return Users(Requests(**(fields | others)), seed=1, end_ns=1_000)


def test_each_user_asks_after_a_think_and_again_after_the_answer() -> None:
    crowd = users(connections=2)

    first = crowd.begin()
    later = crowd.answered(0, 250, alive=True)

    assert first == [Ask(0, 100), Ask(1, 100)]
    assert later == (Ask(0, 350), True)
    assert [crowd.server_of(user) for user in (0, 1)] == ["s", "t"]


def test_a_connection_is_renewed_after_its_number_of_requests_and_after_a_death() -> None:
    crowd = users(requests_per_connection=2)
    crowd.begin()

    kept = [crowd.answered(0, 10, alive=alive)[1] for alive in (True, True, True, False, True, True)]

    assert kept == [True, False, True, False, True, False]


def test_nobody_asks_after_the_end_or_while_the_factor_is_zero() -> None:
    crowd = users()
    crowd.begin()

    assert crowd.answered(0, 900, alive=True)[0] is None
    assert crowd.scale(0, 100) == []
    assert crowd.answered(0, 200, alive=True)[0] is None
    assert crowd.scale(2, 300) == [Ask(0, 350)]


def rounds(**others: Any) -> Rounds:
    fields: dict[str, Any] = {
        "name": "in",
        "aggregator": "a",
        "workers": ("b", "c"),
        "response": constant(1),
        "every_ns": 100,
        "begin_ns": 50,
    }
    return Rounds(Incast(**(fields | others)), end_ns=1_000)


def test_a_round_waits_for_the_last_answer_of_the_one_before() -> None:
    one = rounds()
    due = [one.due_ns]

    one.begin(50, 2)
    due.append(one.due_ns)
    one.ended(0, 60)
    one.ended(1, 70)
    due.append(one.due_ns)
    one.begin(150, 2)
    one.ended(1, 160)
    one.ended(0, 420)
    due.append(one.due_ns)

    assert due == [50, None, 150, 420]


def test_rounds_end_with_their_number() -> None:
    one = rounds(rounds=1)
    one.begin(50, 1)
    one.ended(0, 60)

    assert one.due_ns is None


def test_twice_the_demand_is_twice_the_rounds_and_none_is_none() -> None:
    one = rounds()
    one.begin(50, 1)
    one.ended(0, 60)

    one.scale(2, 60)
    doubled = one.due_ns
    one.scale(0, 70)
    stopped = one.due_ns
    one.scale(1, 400)

    assert (doubled, stopped, one.due_ns) == (100, None, 400)


@given(
    fates=st.lists(st.sampled_from(["arrives", "lost", "twice"]), min_size=1, max_size=60), seed=st.integers(0, 1000)
)
def test_a_receiver_counts_what_the_network_did(fates: list[str], seed: int) -> None:
    wire = [number for number, fate in enumerate(fates) for _ in range({"arrives": 1, "lost": 0, "twice": 2}[fate])]
    random.Random(seed).shuffle(wire)
    reception = Reception()

    for moment, number in enumerate(wire):
        reception.arrived(number, 0, moment, 100)

    unique = set(wire)
    before_highest = max(unique, default=-1) + 1 - len(unique)
    firsts = list(dict.fromkeys(wire))
    overtaken = sum(any(later > number for later in firsts[:index]) for index, number in enumerate(firsts))
    assert reception.received == len(unique)
    assert reception.missing == before_highest
    assert reception.duplicates == len(wire) - len(unique)
    assert reception.reordered == overtaken


def test_jitter_is_that_of_rfc_3550() -> None:
    reception, expected = Reception(), 0.0
    transits = [1_000, 1_400, 900, 900, 2_000]

    for number, transit in enumerate(transits):
        reception.arrived(number, number * 10_000, number * 10_000 + transit, 1)
        if number:
            expected += (abs(transit - transits[number - 1]) - expected) / 16

    assert reception.jitter_ns == round(expected)
