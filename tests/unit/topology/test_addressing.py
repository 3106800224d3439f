"""Addresses, interface names and MAC addresses."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
