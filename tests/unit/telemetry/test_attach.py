"""Records find their instances and each other; what does not fit is counted with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shadowlab.model.network import Link, Network, Node
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import Attachment, attach

NETWORK = Network(
    name="three",
    nodes=(
        Node(id="web", kind="host", addresses=("10.0.0.1",)),
        Node(id="db", kind="host", addresses=("10.0.0.2", "10.1.0.2")),
        Node(id="r", kind="router", addresses=("10.0.0.9",)),
    ),
    links=(Link(id="web-r", a="web", b="r"), Link(id="r-db", a="r", b="db")),
)


def record(at_s: int = 0, instance: str = "web", **changed: Any) -> TcpRecord:
    fields: dict[str, Any] = {
        "local_address": "10.0.0.1",
        "local_port": 40000,
        "peer_address": "10.0.0.2",
        "peer_port": 5001,
        "bytes_acked": 1000 + at_s,
        "bytes_received": 0,
    }
    return TcpRecord(at_ns=at_s * 10**9, instance=instance, **(fields | changed))


def far(at_s: int = 0, **changed: Any) -> TcpRecord:
    swapped: dict[str, Any] = {
        "local_address": "10.0.0.2",
        "local_port": 5001,
        "peer_address": "10.0.0.1",
        "peer_port": 40000,
        "bytes_acked": 0,
        "bytes_received": 1000 + at_s,
    }
    return record(at_s, "db", **(swapped | changed))


def reasons(attachment: Attachment) -> dict[str, int]:
    return {one.reason: one.count for one in attachment.left_out}


def test_both_ends_of_a_connection_are_paired_and_ordered_in_time() -> None:
    attachment = attach([far(10), record(10), record(0), far(0)], NETWORK)

    (connection,) = attachment.connections
    assert (connection.source, connection.target, connection.target_port) == ("web", "db", 5001)
    assert [one.at_ns for one in connection.sender_records] == [0, 10 * 10**9]
    assert [one.instance for one in connection.receiver_records] == ["db", "db"]
    assert (attachment.records, attachment.attached, attachment.left_out) == (4, 4, ())
    assert str(connection.path) == "web→db"


def test_the_source_is_the_side_that_sent_more() -> None:
    attachment = attach(
        [record(bytes_acked=10, bytes_received=9999), far(bytes_acked=9999, bytes_received=10)], NETWORK
    )

    (connection,) = attachment.connections
    assert (connection.source, connection.source_port, connection.target_port) == ("db", 5001, 40000)
    assert connection.sender_records[0].instance == "db"


def test_one_recorded_end_is_enough_even_if_it_is_the_receiver() -> None:
    attachment = attach([far()], NETWORK)

    (connection,) = attachment.connections
    assert (connection.source, connection.sender_records, len(connection.receiver_records)) == ("web", (), 1)


def test_connections_over_ipv6_attach_by_the_addresses_the_map_states() -> None:
    nodes = tuple(
        replace(node, addresses=(*node.addresses, f"2001:db8::{number}"))
        for number, node in enumerate(NETWORK.nodes, 1)
    )
    own, peer = {"local_address": "2001:db8::1"}, {"peer_address": "2001:db8::2"}
    back = {"local_address": "2001:db8::2", "peer_address": "2001:db8::1"}

    attachment = attach([record(**own, **peer), far(**back)], replace(NETWORK, nodes=nodes))

    (connection,) = attachment.connections
    assert (connection.source, connection.target) == ("web", "db")
    assert (len(connection.sender_records), len(connection.receiver_records)) == (1, 1)


def test_an_unknown_header_name_falls_back_to_the_address() -> None:
    attachment = attach([record(instance="ip-10-0-0-1")], NETWORK)

    assert attachment.connections[0].source == "web"


def test_what_cannot_be_attached_is_counted_by_reason_and_is_no_error() -> None:
    strays = [
        record(instance="ghost", local_address="172.16.0.1"),
        record(peer_address="8.8.8.8"),
        record(peer_address="8.8.4.4"),
        record(peer_address="10.0.0.9"),
        record(peer_address="10.0.0.1"),
        record(state="LISTEN", peer_address="*", peer_port=0),
        record(instance="db"),
    ]

    attachment = attach([record(), *strays], NETWORK)

    assert (len(attachment.connections), attachment.attached, attachment.records) == (1, 1, 8)
    assert reasons(attachment) == {
        "a socket in state LISTEN carries no data": 1,
        "instance 'ghost' is not a node of the map, nor is its address": 1,
        "recorded on db, but its local address belongs to web": 1,
        "the connection ends at the router r": 1,
        "the connection stays inside its instance": 1,
        "the peer's address belongs to no node of the map": 2,
    }
    assert attachment.left_out[-1].examples[0] == "web: 10.0.0.1:40000 → 8.8.8.8:5001"


def test_a_reused_port_keeps_only_the_newest_connection() -> None:
    attachment = attach([record(0, bytes_acked=9000), record(10, bytes_acked=50), record(20, bytes_acked=80)], NETWORK)

    (connection,) = attachment.connections
    assert [one.bytes_acked for one in connection.sender_records] == [50, 80]
    assert reasons(attachment) == {"an earlier connection with the same addresses and ports": 1}


def test_the_same_socket_twice_in_a_dump_counts_once() -> None:
    attachment = attach([record(), record()], NETWORK)

    assert len(attachment.connections[0].sender_records) == 1
    assert reasons(attachment) == {"the same socket twice at the same moment": 1}


def test_the_order_of_the_records_does_not_matter() -> None:
    some = [record(0), record(5), far(0), far(5), record(0, local_port=40001), record(0, peer_address="10.1.0.2")]

    assert attach(some, NETWORK) == attach(some[::-1], NETWORK)


def test_a_map_without_addresses_learns_them_from_the_dumps_themselves() -> None:
    nameless = Network(
        name="zoo",
        nodes=tuple(Node(id=node.id, kind=node.kind) for node in NETWORK.nodes),
        links=NETWORK.links,
    )

    attachment = attach([record(), far()], nameless)

    assert [str(one.path) for one in attachment.connections] == ["web→db"]


def test_an_address_that_two_instances_without_stated_ones_use_identifies_neither() -> None:
    nameless = Network(name="zoo", nodes=(Node(id="web", kind="host"), Node(id="db", kind="host")), links=())

    attachment = attach([record(), record(instance="db", peer_address="10.0.0.1", peer_port=9)], nameless)

    assert attachment.connections == ()


def test_a_map_that_knows_ipv4_only_learns_the_addresses_of_ipv6() -> None:
    there = {"local_address": "2001:db8::1", "peer_address": "2001:db8::2"}
    back = {"local_address": "2001:db8::2", "peer_address": "2001:db8::1"}

    attachment = attach([record(**there), far(**back)], NETWORK)

    (connection,) = attachment.connections
    assert (connection.source, connection.target) == ("web", "db")
    assert (len(connection.sender_records), len(connection.receiver_records)) == (1, 1)


def test_addresses_of_one_link_only_identify_nobody() -> None:
    there = {"local_address": "fe80::1", "peer_address": "fe80::2"}
    back = {"local_address": "fe80::2", "peer_address": "fe80::1"}

    assert attach([record(**there), far(**back)], NETWORK).connections == ()
