"""Addresses, interface names and MAC addresses."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.fabric import Fabric
from shadowlab.model.network import Link, Network, Node
from shadowlab.topology.addressing import address

NAMES = ("chi", "chi-2", "a.b", "metropolitan-area-1", "metropolitan-area-2", "metropolitan-area-10", "w 0/x")


def network(pairs: list[tuple[str, str]], addresses: dict[str, tuple[str, ...]] | None = None) -> Network:
    nodes = tuple(Node(id=name, kind="router", addresses=(addresses or {}).get(name, ())) for name in NAMES)
    return Network(name="n", nodes=nodes, links=tuple(Link(id=f"l{i}", a=a, b=b) for i, (a, b) in enumerate(pairs)))


def test_a_stated_address_is_kept_and_others_come_from_the_pools() -> None:
    lab = network([("chi", "a.b")], {"chi-2": ("192.0.2.1", "10.0.0.1"), "a.b": ("10.128.0.1",)})

    fabric = address(lab)

    assert [fabric.node_address[name] for name in NAMES[:4]] == ["10.0.0.2", "192.0.2.1", "10.128.0.1", "10.0.0.3"]
    assert [(one.address, one.peer_address, one.prefix) for one in fabric.interfaces] == [
        ("10.128.0.2", "10.128.0.3", 31),
        ("10.128.0.3", "10.128.0.2", 31),
    ]


def test_interfaces_are_named_after_their_peer() -> None:
    lab = network(
        [
            ("a.b", "chi"),
            ("a.b", "chi"),
            ("a.b", "chi-2"),
            ("a.b", "metropolitan-area-1"),
            ("a.b", "metropolitan-area-2"),
        ]
    )

    names = [one.name for one in address(lab).by_node["a.b"]]

    assert names == ["to-chi", "to-chi-2", "to-chi-2-2", "to-metropolitan", "to-metropolit-2"]


def test_mac_addresses_are_locally_administered_and_follow_the_order_of_the_map() -> None:
    fabric = address(network([("chi", "a.b"), ("chi", "a.b")]))

    assert [one.mac for one in fabric.interfaces] == [f"02:00:00:00:00:0{n}" for n in range(4)]
    assert fabric.interfaces[0].peer_mac == fabric.interfaces[1].mac


def test_an_address_of_two_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"address 192\.0\.2\.1 belongs to both chi and chi-2"):
        address(network([], {"chi": ("192.0.2.1",), "chi-2": ("192.0.2.1",)}))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda p: p[0] != p[1]), max_size=30))
def test_nothing_is_given_twice_and_the_same_map_gives_the_same_fabric(pairs: list[tuple[str, str]]) -> None:
    lab = network(pairs)

    fabric = address(lab)

    assert fabric == address(lab)
    addresses = [*fabric.node_address.values(), *(one.address for one in fabric.interfaces)]
    assert len(set(addresses)) == len(addresses)
    assert len({one.mac for one in fabric.interfaces}) == len(fabric.interfaces)
    assert len({(one.node, one.name) for one in fabric.interfaces}) == len(fabric.interfaces)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,15}", one.name) for one in fabric.interfaces)
    for one in fabric.interfaces:
        far = fabric.by_direction[one.direction.reverse]
        assert (far.name, far.address, far.mac) == (one.peer_name, one.peer_address, one.peer_mac)
        assert int(IPv4Address(one.address)) ^ int(IPv4Address(one.peer_address)) == 1


def lan(*members: str, kept: Fabric | None = None, ipv6: bool = False) -> Fabric:
    nodes = (Node(id="s", kind="segment"), *(Node(id=name, kind="host") for name in members))
    links = tuple(Link(id=f"{name}-s", a=name, b="s") for name in members)
    lab = Network(name="n", nodes=nodes, links=links, ipv6=ipv6)
    return address(lab) if kept is None else address(lab, keep=kept)


def on_lan(fabric: Fabric) -> dict[str, str]:
    return {one.node: f"{one.address}/{one.prefix}" for one in fabric.interfaces if one.address}


def test_all_on_a_segment_share_a_subnet_and_the_segment_has_no_address() -> None:
    fabric = lan("a", "b", "c")

    assert on_lan(fabric) == {"a": "10.64.0.1/28", "b": "10.64.0.2/28", "c": "10.64.0.3/28"}
    assert fabric.node_address["s"] == ""
    assert [one.address for one in fabric.by_node["s"]] == ["", "", ""]


def test_a_segment_that_grows_keeps_its_addresses_while_there_is_room() -> None:
    before = lan("a", "b")

    after = lan("c", "a", "b", kept=before)

    assert on_lan(after) == {"c": "10.64.0.3/29", **on_lan(before)}


def test_a_segment_without_room_gets_a_larger_subnet() -> None:
    before = lan("a", "b")

    after = lan(*(f"h{number}" for number in range(15)), kept=before)

    assert {one.rpartition("/")[2] for one in on_lan(after).values()} == {"26"}
    assert not set(on_lan(after).values()) & set(on_lan(before).values())


def test_ipv6_addresses_follow_from_those_of_ipv4_unless_stated() -> None:
    fabric = lan("a", "b", ipv6=True)

    assert fabric.node_address6 == {"s": "", "a": "fd53:4c41::a20:2", "b": "fd53:4c41::a20:3"}
    assert fabric.node_address["a"] == "10.32.0.2"
    interface = fabric.by_node["a"][0]
    assert (interface.address6, interface.prefix6) == ("fd53:4c41:0:2::a40:1", 125)
    stated = Network(name="n", nodes=(Node(id="h", kind="host", addresses=("2001:db8::1", "192.0.2.1")),), links=())
    assert address(replace(stated, ipv6=True)).node_address6 == {"h": "2001:db8::1"}
    assert address(stated).node_address == {"h": "192.0.2.1"}


def test_hosts_of_one_place_lie_beside_each_other_and_so_does_one_that_comes_later() -> None:
    def hosts(*names: str) -> Network:
        nodes = (*(Node(id=name, kind="router") for name in ("r1", "r2")), *(Node(id=n, kind="host") for n in names))
        links = (Link(id="r", a="r1", b="r2"), *(Link(id=n, a=n, b=f"r{n[1]}") for n in names))
        return Network(name="n", nodes=nodes, links=links)

    before = address(hosts("a1", "a2", "b1", "b2", "c1"))
    after = address(hosts("d1", "a1", "a2", "b1", "b2", "c1"), keep=before)

    assert {name: text for name, text in before.node_address.items() if "1" in name[1:] and name != "r1"} == {
        "a1": "10.32.0.4",
        "b1": "10.32.0.5",
        "c1": "10.32.0.6",
    }
    assert after.node_address["d1"] == "10.32.0.7"
    assert {name: after.node_address[name] for name in before.node_address} == before.node_address
