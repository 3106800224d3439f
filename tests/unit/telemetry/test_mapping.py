"""Names, labels, prefixes, translated addresses and balancers lead to nodes; intervals become counters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import Attachment, attach
from shadowlab.telemetry.intervals import accumulated
from shadowlab.telemetry.rules import Rules, rules_of

S = 10**9
NETWORK = Network(
    name="four",
    nodes=(
        Node(id="web", kind="host", addresses=("10.0.0.1",), label="Front end"),
        Node(id="db1", kind="host", addresses=("10.0.0.2",)),
        Node(id="db2", kind="host", addresses=("10.0.0.3",)),
        Node(id="r", kind="router"),
    ),
    links=(Link(id="a", a="web", b="r"), Link(id="b", a="r", b="db1"), Link(id="c", a="r", b="db2")),
)


def record(**changed: Any) -> TcpRecord:
    fields: dict[str, Any] = {"at_ns": S, "instance": "web", "local_address": "10.0.0.1", "local_port": 40000}
    fields |= {"peer_address": "10.0.0.2", "peer_port": 5001, "bytes_acked": 10, "bytes_received": 0}
    return TcpRecord(**(fields | changed))


def paths(attachment: Attachment) -> list[str]:
    return [str(one.path) for one in attachment.connections]


def reasons(attachment: Attachment) -> dict[str, int]:
    return {one.reason: one.count for one in attachment.left_out}


def test_a_label_names_a_node_and_a_peers_name_does_too() -> None:
    named = record(instance="Front end", local_address="", peer_address="", peer="db2", scope="pair")

    assert paths(attach([named], NETWORK)) == ["web→db2"]


def test_pairs_known_by_name_only_are_kept_apart() -> None:
    nameless = {"local_address": "", "local_port": 0, "peer_address": "", "peer_port": 0, "scope": "pair"}

    found = attach([record(peer="db1", **nameless), record(peer="db2", **nameless)], NETWORK)

    assert paths(found) == ["web→db1", "web→db2"]


def test_patterns_and_prefixes_lead_to_nodes_in_their_order() -> None:
    rules = Rules(
        names=((r"fe-\d+", "web"), (r"(db)-replica-(\d)", r"\1\2")),
        prefixes=(("192.0.2.0/25", "db1"), ("192.0.2.0/24", "db2"), ("2001:db8::/32", "db2")),
    )
    records = [
        record(instance="fe-17", local_address="172.16.0.9", peer_address="192.0.2.7"),
        record(instance="fe-18", local_address="172.16.0.8", peer_address="192.0.2.200"),
        record(instance="db-replica-2", local_address="172.16.0.7", peer_address="192.0.2.7"),
        record(peer_address="2001:db8::5"),
        record(peer_address="198.51.100.1"),
    ]

    found = attach(records, NETWORK, rules)

    assert paths(found) == ["db2→db1", "web→db1", "web→db2", "web→db2"]
    assert reasons(found) == {"the peer's address belongs to no node of the map": 1}


def test_a_translated_address_is_read_as_what_stands_behind_it_so_that_both_ends_meet() -> None:
    rules = Rules(nat={("203.0.113.7", 8443): ("10.0.0.2", 5001)})
    client = record(peer_address="203.0.113.7", peer_port=8443)
    server = record(
        instance="db1",
        local_address="10.0.0.2",
        local_port=5001,
        peer_address="10.0.0.1",
        peer_port=40000,
        bytes_acked=0,
    )

    (one,) = attach([client, server], NETWORK, rules).connections

    assert (str(one.path), len(one.sender_records), len(one.receiver_records)) == ("web→db1", 1, 1)


def test_a_connection_to_a_balancer_is_one_to_the_backend_that_recorded_it() -> None:
    rules = Rules(balancers={("10.0.9.9", 0): ("db1", "db2")})
    client = record(peer_address="10.0.9.9", peer_port=443)
    backend = record(
        instance="db2",
        local_address="10.0.0.3",
        local_port=8080,
        peer_address="10.0.0.1",
        peer_port=40000,
        bytes_acked=0,
    )

    (one,) = attach([client, backend], NETWORK, rules).connections

    assert (one.target, one.target_port, len(one.receiver_records)) == ("db2", 8080, 1)


def test_a_balancers_connections_that_nobody_recorded_spread_over_its_backends_the_same_every_time() -> None:
    rules = Rules(balancers={("10.0.9.9", 443): ("db1", "db2")})
    some = [record(peer_address="10.0.9.9", peer_port=443, local_port=40000 + one) for one in range(64)]

    once, again = attach(some, NETWORK, rules), attach(some[::-1], NETWORK, rules)

    assert once == again
    assert 16 <= paths(once).count("web→db1") <= 48


def test_totals_of_a_host_and_rules_that_lead_nowhere_are_told() -> None:
    rules = Rules(names=(("x", "nobody"),))

    found = attach([record(scope="host"), record(peer_address="1.1.1.1", peer="x")], NETWORK, rules)

    assert reasons(found) == {
        "a total of the whole instance, not of one connection": 1,
        "a rule names 'nobody', which is not a node of the map": 1,
    }


def interval(begin: int, end: int, count: int | None, **changed: Any) -> TcpRecord:
    return record(from_ns=begin * S, at_ns=end * S, bytes_acked=count, bytes_received=None, **changed)


def test_intervals_become_a_counter_that_begins_at_zero() -> None:
    course = accumulated([interval(10, 20, 500, srtt_ns=7), interval(20, 40, 300), interval(50, 60, 0)])

    assert [(one.at_ns // S, one.bytes_acked, one.from_ns) for one in course] == [
        (10, 0, None),
        (20, 500, None),
        (40, 800, None),
        (60, 800, None),
    ]
    assert [one.srtt_ns for one in course] == [None, 7, None, None]


def test_an_interval_of_unknown_length_only_marks_where_the_next_begins() -> None:
    course = accumulated([interval(10, 10, 999), interval(10, 20, 5)])

    assert [(one.at_ns // S, one.bytes_acked) for one in course] == [(10, 0), (20, 5)]


def test_a_counter_that_one_interval_does_not_know_is_unknown_from_there_on() -> None:
    course = accumulated([interval(0, 1, 5), interval(1, 2, None), interval(2, 3, 5)])

    assert [one.bytes_acked for one in course] == [0, 5, None, None]


def test_a_whole_life_in_one_record_began_at_zero() -> None:
    course = accumulated([record(opened_ns=0, at_ns=5 * S, state="CLOSED")])

    assert [(one.at_ns // S, one.bytes_acked) for one in course] == [(0, 0), (5, 10)]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=6))
def test_the_last_counter_is_the_sum_of_all_intervals(steps: list[tuple[int, int]]) -> None:
    records, now = [], 0
    for length, count in steps:
        records.append(interval(now, now + length, count))
        now += length

    course = accumulated(records)

    assert course[-1].bytes_acked == sum(count for _, count in steps)
    assert [one.at_ns for one in course] == sorted(one.at_ns for one in course)


def test_intervals_that_overlap_or_stand_beside_counters_are_left_out() -> None:
    overlapping = attach([interval(0, 10, 5), interval(5, 15, 5)], NETWORK)
    beside = attach([interval(0, 10, 5), record(at_ns=20 * S)], NETWORK)

    assert reasons(overlapping) == {"an interval that overlaps the one before": 1}
    assert reasons(beside) == {"an interval of a connection whose counters another source knows": 1}


def test_rules_are_read_from_a_plain_document() -> None:
    rules = rules_of(
        {
            "names": [{"match": r"(\w+)-x", "node": r"\1"}],
            "addresses": [{"prefix": "10.1.0.0/16", "node": "web"}],
            "nat": [{"from": "203.0.113.8", "to": "10.0.0.2"}, {"from": "[2001:db8::1]:443", "to": "10.0.0.3:8080"}],
            "balancers": [{"address": "::ffff:10.0.9.9", "port": 443, "backends": ["db1"]}],
        },
        name="rules.yaml",
    )

    assert (rules.node_of_name("web-x"), rules.node_of_address("10.1.2.3"), rules.node_of_address("10.2.0.1")) == (
        "web",
        "web",
        "",
    )
    assert rules.translated("203.0.113.8", 99) == ("10.0.0.2", 99)
    assert rules.translated("2001:db8::1", 443) == ("10.0.0.3", 8080)
    assert rules.backends("10.0.9.9", 443) == ("db1",)


def test_all_that_is_wrong_with_rules_is_told_at_once() -> None:
    wrong = {
        "name": [],
        "names": [{"match": "(", "node": "a"}, {"match": "a", "node": r"\1"}, {"match": "a"}],
        "addresses": [{"prefix": "10.0.0.0/99", "node": "a"}, {"prefix": "::/0", "node": "a", "nod": 1}],
        "nat": [{"from": "web", "to": "10.0.0.1"}],
        "balancers": [{"address": "10.0.0.1", "port": "https", "backends": ["a"]}],
    }

    with pytest.raises(InputError) as raised:
        rules_of(wrong, name="rules.yaml")

    assert len(raised.value.faults) == 8
    with pytest.raises(InputError, match="rules are a mapping"):
        rules_of([1], name="rules.yaml")
