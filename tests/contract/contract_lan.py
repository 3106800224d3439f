"""LAN segments: bridges and their ports created, read back, removed; frames that really cross one."""

from __future__ import annotations

import socket
import time

from contract_base import MAC_A, MAC_B, both, linux, make_pair, refused

from shadowlab.kernel.ports import Segment
from shadowlab.model.impairment import Impairment

SWITCH_MAC = "02:00:00:00:ff:01"


def make_lan(segment: Segment, hosts: str = "abc", *, mtu: int = 1500) -> None:
    """Each host's ``eth`` 10.1.0.1, .2, … (2001:db8:1::1, …) on the bridge ``lan`` of ``s``, by the port ``p-HOST``.

    No host has a permanent neighbour: they ask each other by ARP and neighbour discovery, through the bridge.
    """
    segment.create_namespace("s")
    segment.create_bridge("s", "lan", mac=SWITCH_MAC, mtu=mtu)
    for place, host in enumerate(hosts, 1):
        segment.create_namespace(host, ipv6=True)
        segment.create_veth(
            node_a=host,
            name_a="eth",
            mac_a=f"02:00:00:00:01:{place:02x}",
            node_b="s",
            name_b=f"p-{host}",
            mac_b=f"02:00:00:00:02:{place:02x}",
            mtu=mtu,
            alias=f"{host}-lan",
        )
        segment.add_address(host, "eth", f"10.1.0.{place}", 24)
        segment.add_address(host, "eth", f"2001:db8:1::{place}", 64)
        segment.set_bridge_port("s", f"p-{host}", "lan")
        segment.set_link_up(host, "eth", up=True)
        segment.set_link_up("s", f"p-{host}", up=True)
    segment.wait_for_links([*((host, "eth") for host in hosts), *(("s", f"p-{host}") for host in hosts), ("s", "lan")])


@both
def a_bridge_is_made_read_back_and_removed(segment: Segment) -> None:
    segment.create_namespace("s")
    segment.create_bridge("s", "lan", mac=SWITCH_MAC, mtu=1500)
    assert dict(segment.links("s")) == {"lan": False}
    assert segment.bridge_ports("s") == ()

    segment.delete_link("s", "lan")

    assert dict(segment.links("s")) == {}


@both
def a_bridge_carries_with_its_first_port(segment: Segment) -> None:
    make_lan(segment)

    assert dict(segment.links("s")) == {"lan": True, "p-a": True, "p-b": True, "p-c": True}
    assert segment.bridge_ports("s") == (("lan", "p-a"), ("lan", "p-b"), ("lan", "p-c"))


@both
def ports_leave_one_by_one_and_with_their_link(segment: Segment) -> None:
    make_lan(segment)

    segment.set_bridge_port("s", "p-a", None)
    segment.delete_link("b", "eth")

    assert segment.bridge_ports("s") == (("lan", "p-c"),)
    assert dict(segment.links("s")) == {"lan": True, "p-a": True, "p-c": True}


@both
def a_bridge_leaves_its_ports_behind(segment: Segment) -> None:
    make_lan(segment)

    segment.delete_link("s", "lan")

    assert segment.bridge_ports("s") == ()
    assert dict(segment.links("s")) == {"p-a": True, "p-b": True, "p-c": True}


@both
def a_lan_can_be_made_in_one_batch(segment: Segment) -> None:
    with segment.batch():
        for node in ("s", "a"):
            segment.create_namespace(node)
        segment.create_bridge("s", "lan", mac=SWITCH_MAC, mtu=1500)
        segment.create_veth(
            node_a="a", name_a="eth", mac_a=MAC_A, node_b="s", name_b="p", mac_b=MAC_B, mtu=1500, alias="l"
        )
        segment.set_bridge_port("s", "p", "lan")

    assert segment.bridge_ports("s") == (("lan", "p"),)


@both
def a_taken_name_is_no_bridge(segment: Segment) -> None:
    make_pair(segment)

    with refused("a/ab", "EEXIST"):
        segment.create_bridge("a", "ab", mac=SWITCH_MAC, mtu=1500)
    with refused("a/sixteen-letters-", "EINVAL"):
        segment.create_bridge("a", "sixteen-letters-", mac=SWITCH_MAC, mtu=1500)


@both
def what_is_no_bridge_takes_no_ports(segment: Segment) -> None:
    make_pair(segment, "a", "b", 0)
    make_pair(segment, "a", "c", 1)

    with refused("a/ab", "ac"):
        segment.set_bridge_port("a", "ab", "ac")
    with refused("a/ab", "none", "ENODEV"):
        segment.set_bridge_port("a", "ab", "none")


def open_udp(segment: Segment, node: str, address: str, port: int = 7000) -> socket.socket:
    """A socket of the address's family that waits for three seconds."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = segment.open_socket(node, family, socket.SOCK_DGRAM)
    opened.bind((address, port))
    opened.settimeout(3)
    return opened


@linux
def three_hosts_of_a_lan_reach_each_other(segment: Segment) -> None:
    make_lan(segment)
    for form in ("10.1.0.{}", "2001:db8:1::{}"):
        a, b, c = (form.format(place) for place in (1, 2, 3))
        with (
            open_udp(segment, "a", a) as at_a,
            open_udp(segment, "b", b) as at_b,
            open_udp(segment, "c", c) as at_c,
        ):
            for sender, receiver, source, target in ((at_a, at_b, a, b), (at_b, at_c, b, c), (at_c, at_a, c, a)):
                sender.sendto(b"x", (target, 7000))

                assert receiver.recvfrom(10)[1][:2] == (source, 7000)


@linux
def a_bridge_learns_who_is_where(segment: Segment) -> None:
    make_lan(segment)
    with open_udp(segment, "a", "10.1.0.1") as a, open_udp(segment, "b", "10.1.0.2") as b:
        a.sendto(b"first", ("10.1.0.2", 7000))
        b.recv(10)
        before = segment.counters("c")["eth"].rx_packets
        for _ in range(20):
            a.sendto(b"x", ("10.1.0.2", 7000))
            b.recv(10)

    # A packet of the families' own chatter may come in between; had the bridge not learnt, all twenty would have.
    assert segment.counters("c")["eth"].rx_packets - before < 5


@linux
def the_direction_into_a_lan_is_impaired_behind_its_port(segment: Segment) -> None:
    make_lan(segment)
    segment.redirect_ingress("s", "p-a", "i.p-a")
    segment.set_netem("s", "i.p-a", Impairment(delay_ns=30_000_000))
    segment.set_netem("s", "p-a", Impairment(delay_ns=20_000_000))
    with open_udp(segment, "a", "10.1.0.1") as a, open_udp(segment, "b", "10.1.0.2") as b:
        for _ in range(2):  # the first time each asks who has the other's address, and that is delayed as well
            before = time.monotonic_ns()
            a.sendto(b"x", ("10.1.0.2", 7000))
            b.recv(10)
            there = time.monotonic_ns()
            b.sendto(b"x", ("10.1.0.1", 7000))
            a.recv(10)
            back = time.monotonic_ns()

    assert there - before >= 30_000_000, there - before
    assert back - there >= 20_000_000, back - there
    counters = segment.counters("s")
    assert counters["i.p-a"].queue_sent_packets >= 2
    assert counters["p-a"].queue_sent_packets >= 2
