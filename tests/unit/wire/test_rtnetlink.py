"""Links, addresses, neighbours: encoded by us, decoded by pyroute2; encoded by pyroute2, decoded by us."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg

from shadowlab.wire import if_link, netlink, rtnetlink
from shadowlab.wire.if_link import VethEnd
from shadowlab.wire.netlink import Request

A = VethEnd(name="to-b", ifindex=64, mac="02:00:00:00:00:0a", namespace_fd=7)
B = VethEnd(name="to-a", ifindex=65, mac="02:00:00:00:00:0b", namespace_fd=9)


def oracle(kind: type, request: Request) -> Any:
    """The request as pyroute2 reads it."""
    message = kind(netlink.pack_message(request, 1))
    message.decode()
    return message


def body(message: Any, **fields: Any) -> bytes:
    """The body of a message that pyroute2 encodes."""
    for name, value in fields.items():
        message[name] = value
    message.encode()
    return bytes(message.data[netlink.HEADER_BYTES :])


def test_a_veth_pair_is_born_in_two_namespaces_in_one_request() -> None:
    message = oracle(ifinfmsg, if_link.new_veth(A, B, 1500, "shadowlab a-b"))

    peer = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND") == "veth"
    for end, held in ((A, message), (B, peer)):
        assert held["index"] == end.ifindex
        assert held["flags"] == 0
        assert held.get_attr("IFLA_IFNAME") == end.name
        assert held.get_attr("IFLA_ADDRESS") == end.mac
        assert held.get_attr("IFLA_NET_NS_FD") == end.namespace_fd
        assert held.get_attr("IFLA_MTU") == 1500
        assert held.get_attr("IFLA_NUM_TX_QUEUES") == 1
        assert held.get_attr("IFLA_GSO_MAX_SEGS") == 1
        assert held.get_attr("IFLA_IFALIAS") == "shadowlab a-b"


def test_an_ifb_is_made_up_with_one_queue() -> None:
    message = oracle(ifinfmsg, if_link.new_ifb("i.to-a", 66, "shadowlab to-a"))

    assert message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND") == "ifb"
    assert message.get_attr("IFLA_IFNAME") == "i.to-a"
    assert message.get_attr("IFLA_NUM_TX_QUEUES") == 1
    assert (message["index"], message["flags"], message["change"]) == (66, 1, 1)


@pytest.mark.parametrize("up", [True, False])
def test_only_the_up_flag_is_changed(up: bool) -> None:
    message = oracle(ifinfmsg, if_link.set_link_up(64, up=up))

    assert (message["index"], message["flags"], message["change"]) == (64, int(up), 1)


@pytest.mark.parametrize("name", ["", "sixteen-letters-", "with/slash", "with space", "äöüäöüäö"])
def test_what_linux_takes_as_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not an interface name"):
        if_link.new_ifb(name, 66, "")


@pytest.mark.parametrize(
    ("flags", "operstate", "kind", "carries"),
    [
        (0x1 | 0x40 | 0x10000, "UP", "veth", True),
        (0x1 | 0x40 | 0x10000, "UNKNOWN", "veth", False),
        (0x1 | 0x40, "UP", "veth", False),
        (0x1 | 0x10000, "DOWN", "veth", False),
        (0x10000, "UP", "veth", False),
        (0x1 | 0x40 | 0x10000, "UNKNOWN", "ifb", True),
    ],
)
def test_a_link_carries_when_its_queue_works(flags: int, operstate: str, kind: str, carries: bool) -> None:
    attrs = [
        ("IFLA_IFNAME", "to-b"),
        ("IFLA_MTU", 1400),
        ("IFLA_OPERSTATE", operstate),
        ("IFLA_ADDRESS", "02:00:00:00:00:0a"),
        ("IFLA_IFALIAS", "shadowlab a-b"),
        ("IFLA_NUM_TX_QUEUES", 1),
        ("IFLA_GSO_MAX_SEGS", 1),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind)]}),
    ]

    state = if_link.parse_link(body(ifinfmsg(), index=64, flags=flags, attrs=attrs))

    assert state.carries is carries
    assert state.up is bool(flags & 1)
    assert state[:2] == (64, "to-b")
    assert state[4:] == (1400, "02:00:00:00:00:0a", "shadowlab a-b", kind, 1, 1, 0)


def test_an_address_there_and_back() -> None:
    request = rtnetlink.new_address(64, "10.1.2.4", 31, rtnetlink.SCOPE_LINK)
    message = oracle(ifaddrmsg, request)

    assert (message["index"], message["prefixlen"], message["scope"]) == (64, 31, 253)
    assert message.get_attr("IFA_LOCAL") == message.get_attr("IFA_ADDRESS") == "10.1.2.4"
    assert rtnetlink.parse_address(request.body) == (64, "10.1.2.4", 31, 253)


def test_an_ipv6_address_of_a_link_is_no_source_and_is_not_probed() -> None:
    request = rtnetlink.new_address(64, "2001:db8::1:4", 127, rtnetlink.SCOPE_LINK)
    message = oracle(ifaddrmsg, request)

    assert (message["family"], message["prefixlen"], message["scope"]) == (10, 127, 0)
    assert message.get_attr("IFA_LOCAL") == message.get_attr("IFA_ADDRESS") == "2001:db8::1:4"
    assert message.get_attr("IFA_FLAGS") == rtnetlink.IFA_F_NODAD
    lifetimes = message.get_attr("IFA_CACHEINFO")
    assert (lifetimes["ifa_preferred"], lifetimes["ifa_valid"]) == (0, 0xFFFFFFFF)
    assert rtnetlink.parse_address(request.body) == (64, "2001:db8::1:4", 127, 0)


def test_the_ipv6_address_of_the_node_itself_is_preferred() -> None:
    message = oracle(ifaddrmsg, rtnetlink.new_address(1, "2001:db8::1", 128, rtnetlink.SCOPE_UNIVERSE))

    assert message.get_attr("IFA_CACHEINFO") is None


def test_an_ipv6_neighbour_there_and_back() -> None:
    request = rtnetlink.new_neighbour(64, "2001:db8::1:5", "02:00:00:00:00:0b")
    message = oracle(ndmsg, request)

    assert (message["family"], message.get_attr("NDA_DST")) == (10, "2001:db8::1:5")
    assert rtnetlink.parse_neighbour(request.body) == (64, "2001:db8::1:5", "02:00:00:00:00:0b", True)


def test_a_bridge_forwards_at_once() -> None:
    message = oracle(ifinfmsg, if_link.new_bridge("lan", 70, "02:00:00:00:00:0c", 1500))

    info = message.get_attr("IFLA_LINKINFO")
    settings = info.get_attr("IFLA_INFO_DATA")
    assert info.get_attr("IFLA_INFO_KIND") == "bridge"
    assert (message["index"], message["flags"], message["change"]) == (70, 1, 1)
    assert message.get_attr("IFLA_ADDRESS") == "02:00:00:00:00:0c"
    assert message.get_attr("IFLA_MTU") == 1500
    assert settings.get_attr("IFLA_BR_STP_STATE") == 0
    assert settings.get_attr("IFLA_BR_FORWARD_DELAY") == 0
    assert settings.get_attr("IFLA_BR_MCAST_SNOOPING") == 0


def test_a_port_has_its_bridge_as_master() -> None:
    message = oracle(ifinfmsg, if_link.set_master(64, 70))

    assert (message["index"], message["flags"], message["change"]) == (64, 0, 0)
    assert message.get_attr("IFLA_MASTER") == 70
    state = if_link.parse_link(body(ifinfmsg(), index=64, attrs=[("IFLA_IFNAME", "p"), ("IFLA_MASTER", 70)]))
    assert state.master == 70


def test_a_neighbour_there_and_back() -> None:
    request = rtnetlink.new_neighbour(64, "10.1.2.5", "02:00:00:00:00:0b")
    message = oracle(ndmsg, request)

    assert (message["ifindex"], message["state"]) == (64, 0x80)
    assert message.get_attr("NDA_DST") == "10.1.2.5"
    assert message.get_attr("NDA_LLADDR") == "02:00:00:00:00:0b"
    assert rtnetlink.parse_neighbour(request.body) == (64, "10.1.2.5", "02:00:00:00:00:0b", True)


@pytest.mark.parametrize("mac", ["02:00", "02:00:00:00:00:00:00"])
def test_what_is_no_ethernet_address_is_refused(mac: str) -> None:
    with pytest.raises(ValueError, match="not an Ethernet address"):
        if_link.pack_mac(mac)
