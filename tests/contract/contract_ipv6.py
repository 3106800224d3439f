"""IPv6 beside IPv4: addresses, neighbours and routes set, read back, gone; packets that really cross a router."""

from __future__ import annotations

import socket

from contract_base import both, linux, make_pair, refused, say_groups_at_once, wait_until_quiet
from contract_lan import open_udp

from shadowlab.kernel.ports import Hop, InitialWindows, NextHop, Route, Segment

FORWARDING = "net/ipv6/conf/all/forwarding"
A, B, R = "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"


def make_line(segment: Segment) -> None:
    """``a`` - ``r`` - ``b`` with routes between the nodes' own addresses, the links' being fd00:N::0 and ::1."""
    for node, own in (("a", A), ("r", R), ("b", B)):
        segment.create_namespace(node, ipv6=True)
        say_groups_at_once(segment, node)
        segment.add_address(node, "lo", own, 128)
    make_pair(segment, "a", "r", 1)
    make_pair(segment, "r", "b", 2)
    for number, (one, other) in ((1, "ar"), (2, "rb")):
        for node, peer, own, far, mac in ((one, other, 0, 1, "0b"), (other, one, 1, 0, "0a")):
            segment.add_address(node, node + peer, f"fd00:{number}::{own or ''}", 127)
            segment.add_neighbour(node, node + peer, f"fd00:{number}::{far or ''}", f"02:00:00:00:{number:02x}:{mac}")
    segment.wait_for_links([("a", "ar"), ("r", "ra"), ("r", "rb"), ("b", "br")])
    segment.set_sysctl("r", FORWARDING, "1")
    segment.replace_route("a", B, 128, [Hop("ar", "fd00:1::1")])
    segment.replace_route("r", B, 128, [Hop("rb", "fd00:2::1")])
    segment.replace_route("b", A, 128, [Hop("br", "fd00:2::")])
    segment.replace_route("r", A, 128, [Hop("ra", "fd00:1::")])


@both
def ipv6_is_off_unless_asked_for(segment: Segment) -> None:
    make_pair(segment)

    with refused("2001:db8::1/64", "a/ab", "EACCES"):
        segment.add_address("a", "ab", "2001:db8::1", 64)


@both
def addresses_of_both_families_are_read_back(segment: Segment) -> None:
    make_line(segment)

    held = [("ar", "10.0.1.0", 31), ("ar", "fd00:1::", 127), ("lo", A, 128)]
    assert sorted(segment.addresses("a")) == held
    assert sorted(segment.neighbours("a")) == [
        ("ar", "10.0.1.1", "02:00:00:00:01:0b"),
        ("ar", "fd00:1::1", "02:00:00:00:01:0b"),
    ]


@both
def an_ipv6_address_is_one_whatever_its_spelling(segment: Segment) -> None:
    make_line(segment)

    with refused("EEXIST"):
        segment.add_address("a", "lo", A.upper().replace("::", ":0:0:0:"), 128)
    with refused("2001:db8::g", "EINVAL"):
        segment.add_address("a", "lo", "2001:db8::g", 128)


@both
def ipv6_routes_are_read_back_beside_the_others(segment: Segment) -> None:
    make_line(segment)
    segment.replace_route("a", "192.0.2.2", 32, [Hop("ar", "10.0.1.1")])

    assert segment.routes("a") == (
        Route("192.0.2.2", 32, (Hop("ar", "10.0.1.1"),)),
        Route(B, 128, (Hop("ar", "fd00:1::1"),)),
    )

    segment.delete_route("a", B, 128)

    assert segment.routes("a") == (Route("192.0.2.2", 32, (Hop("ar", "10.0.1.1"),)),)
    with refused(B, "ESRCH"):
        segment.delete_route("a", B, 128)


@both
def ipv6_addresses_stay_when_a_link_goes_down_and_routes_do_not(segment: Segment) -> None:
    make_line(segment)
    addresses, neighbours = sorted(segment.addresses("a")), sorted(segment.neighbours("a"))

    segment.set_link_up("a", "ar", up=False)
    assert sorted(segment.addresses("a")) == addresses
    assert segment.routes("a") == ()
    segment.set_link_up("a", "ar", up=True)
    segment.wait_for_links([("a", "ar"), ("r", "ra")])
    segment.replace_route("a", B, 128, [Hop("ar", "fd00:1::1")])

    assert sorted(segment.neighbours("a")) == neighbours
    assert segment.next_hop("a", B, A) == NextHop(interface="ar", via="fd00:1::1", local=False)


@both
def the_next_hop_of_ipv6_is_the_kernels(segment: Segment) -> None:
    make_line(segment)

    assert segment.next_hop("a", B, A) == NextHop(interface="ar", via="fd00:1::1", local=False)
    assert segment.next_hop("r", B, A, "ra") == NextHop(interface="rb", via="fd00:2::1", local=False)
    assert segment.next_hop("b", B, A, "br") == NextHop(interface="lo", via=None, local=True)
    assert segment.next_hop("a", "fd00:1::1", "fd00:1::") == NextHop(interface="ar", via=None, local=False)
    assert segment.next_hop("a", "2001:db8:ffff::1", A) is None


@both
def a_node_that_does_not_forward_ipv6_has_no_next_hop_for_transit(segment: Segment) -> None:
    make_line(segment)

    segment.set_sysctl("r", FORWARDING, "0")

    assert segment.next_hop("r", B, A, "ra") is None
    assert segment.next_hop("r", B, R) == NextHop(interface="rb", via="fd00:2::1", local=False)


@both
def an_ipv6_gateway_off_the_link_is_refused(segment: Segment) -> None:
    make_line(segment)

    with refused("2001:db8:9::1/128", "fd00:9::9", "EHOSTUNREACH"):
        segment.replace_route("a", "2001:db8:9::1", 128, [Hop("ar", "fd00:9::9")])


@linux
def ipv6_packets_cross_a_router_there_and_back(segment: Segment) -> None:
    make_line(segment)
    wait_until_quiet(segment, "arb")
    with open_udp(segment, "a", A) as a, open_udp(segment, "b", B) as b:
        before = segment.counters("r")
        for _ in range(10):
            a.sendto(b"ping", (B, 7000))
            _, back = b.recvfrom(10)
            b.sendto(b"pong", back)

            assert a.recv(10) == b"pong"
        after = segment.counters("r")

    for name in ("ra", "rb"):
        assert after[name].rx_packets - before[name].rx_packets == 10, name
        assert after[name].tx_packets - before[name].tx_packets == 10, name


@linux
def the_source_of_an_ipv6_connection_is_the_nodes_own_address(segment: Segment) -> None:
    make_line(segment)
    with (
        segment.open_socket("b", socket.AF_INET6, socket.SOCK_STREAM) as listener,
        segment.open_socket("a", socket.AF_INET6, socket.SOCK_STREAM) as client,
    ):
        listener.bind((B, 7001))
        listener.listen()
        client.settimeout(3)
        client.connect((B, 7001))

        assert client.getsockname()[0] == A


@linux
def no_interface_says_anything_but_what_it_must(segment: Segment) -> None:
    make_line(segment)

    read = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "cat /proc/net/if_inet6").output.split("\n")

    assert not [line for line in read if line.startswith("fe80")], read


@both
def initial_windows_are_read_back_on_equal_cost_routes_of_ipv6(segment: Segment) -> None:
    make_line(segment)
    windows = InitialWindows(cwnd=20, rwnd=12)
    hops = [Hop("ra", "fd00:1::"), Hop("rb", "fd00:2::1")]

    segment.replace_route("r", "2001:db8:9::1", 128, hops, windows=windows)

    assert [one.windows for one in segment.routes("r") if one.destination == "2001:db8:9::1"] == [windows]
