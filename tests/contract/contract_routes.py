"""Addresses, neighbours and routes: set, read back, replaced, gone with their interface."""

from __future__ import annotations

from contract_base import both, make_line, make_pair, refused

from shadowlab.kernel.ports import Hop, InitialWindows, NextHop, Route, Segment


@both
def addresses_are_read_back(segment: Segment) -> None:
    make_pair(segment)
    segment.add_address("a", "lo", "192.0.2.1", 32)

    assert sorted(segment.addresses("a")) == [("ab", "10.0.0.0", 31), ("lo", "192.0.2.1", 32)]


@both
def an_address_given_twice_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("10.0.0.0/31", "a/ab", "EEXIST"):
        segment.add_address("a", "ab", "10.0.0.0", 31)


@both
def what_is_no_address_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("300.0.0.1", "EINVAL"):
        segment.add_address("a", "ab", "300.0.0.1", 31)


@both
def neighbours_are_read_back_and_replaced(segment: Segment) -> None:
    make_pair(segment)
    assert segment.neighbours("a") == (("ab", "10.0.0.1", "02:00:00:00:00:0b"),)

    segment.add_neighbour("a", "ab", "10.0.0.1", "02:00:00:00:00:ff")

    assert segment.neighbours("a") == (("ab", "10.0.0.1", "02:00:00:00:00:ff"),)


@both
def neighbours_come_back_with_their_link_and_routes_do_not(segment: Segment) -> None:
    make_line(segment)
    neighbours, routes = segment.neighbours("a"), segment.routes("a")
    assert routes == (Route("192.0.2.2", 32, (Hop("ar", "10.0.1.1"),)),)

    segment.set_link_up("a", "ar", up=False)
    assert segment.neighbours("a") == ()
    segment.set_link_up("a", "ar", up=True)

    assert segment.neighbours("a") == neighbours
    assert segment.routes("a") == ()


@both
def a_route_is_replaced(segment: Segment) -> None:
    make_pair(segment, "a", "b", 0)
    make_pair(segment, "a", "c", 1)
    segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.0.0.1")])

    segment.replace_route("a", "192.0.2.9", 32, [Hop("ac", "10.0.1.1")])

    assert segment.routes("a") == (Route("192.0.2.9", 32, (Hop("ac", "10.0.1.1"),)),)


@both
def a_route_tells_with_which_windows_connections_begin(segment: Segment) -> None:
    make_pair(segment)
    windows = InitialWindows(cwnd=20, rwnd=12)

    segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.0.0.1")], windows=windows)
    segment.replace_route("a", "192.0.2.8", 32, [Hop("ab", "10.0.0.1")], windows=InitialWindows(cwnd=4))

    assert [(one.destination, one.windows) for one in segment.routes("a")] == [
        ("192.0.2.8", InitialWindows(cwnd=4)),
        ("192.0.2.9", windows),
    ]


@both
def the_windows_of_a_route_go_with_it_and_with_its_replacement(segment: Segment) -> None:
    make_pair(segment)
    windows = InitialWindows(cwnd=20, rwnd=12)
    segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.0.0.1")], windows=windows)

    segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.0.0.1")])
    assert [one.windows for one in segment.routes("a")] == [InitialWindows()]

    segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.0.0.1")], windows=windows)
    segment.delete_route("a", "192.0.2.9", 32)
    assert segment.routes("a") == ()


@both
def a_route_by_a_gateway_off_the_link_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("192.0.2.9/32", "10.9.9.9", "ENETUNREACH"):
        segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.9.9.9")])


@both
def a_route_by_an_interface_that_is_down_is_refused(segment: Segment) -> None:
    make_pair(segment)
    segment.set_link_up("a", "ab", up=False)

    with refused("192.0.2.9/32", "ENETUNREACH"):
        segment.replace_route("a", "192.0.2.9", 32, [Hop("ab", "10.0.0.1")])


@both
def the_next_hop_is_the_kernels(segment: Segment) -> None:
    make_line(segment)

    assert segment.next_hop("a", "192.0.2.2", "192.0.2.1") == NextHop(interface="ar", via="10.0.1.1", local=False)
    assert segment.next_hop("r", "192.0.2.2", "192.0.2.1", "ra") == NextHop(interface="rb", via="10.0.2.1", local=False)
    assert segment.next_hop("b", "192.0.2.2", "192.0.2.1", "br") == NextHop(interface="lo", via=None, local=True)


@both
def the_longest_prefix_wins(segment: Segment) -> None:
    make_pair(segment, "a", "b", 0)
    make_pair(segment, "a", "c", 1)
    segment.replace_route("a", "192.0.2.0", 24, [Hop("ab", "10.0.0.1")])
    segment.replace_route("a", "192.0.2.9", 32, [Hop("ac", "10.0.1.1")])

    near = segment.next_hop("a", "192.0.2.9", "")
    far = segment.next_hop("a", "192.0.2.8", "")

    assert near is not None
    assert far is not None
    assert (near.interface, far.interface) == ("ac", "ab")


@both
def no_route_is_none(segment: Segment) -> None:
    make_line(segment)

    assert segment.next_hop("a", "198.51.100.1", "192.0.2.1") is None


@both
def a_node_that_does_not_forward_has_no_next_hop_for_transit(segment: Segment) -> None:
    make_line(segment)

    segment.set_sysctl("r", "net/ipv4/ip_forward", "0")

    assert segment.next_hop("r", "192.0.2.2", "192.0.2.1", "ra") is None


@both
def a_neighbour_on_the_link_is_reached_without_a_gateway(segment: Segment) -> None:
    make_pair(segment)

    assert segment.next_hop("a", "10.0.0.1", "10.0.0.0") == NextHop(interface="ab", via=None, local=False)


@both
def a_deleted_route_is_gone_and_the_others_stay(segment: Segment) -> None:
    make_line(segment)

    segment.delete_route("r", "192.0.2.2", 32)

    assert segment.routes("r") == (Route("192.0.2.1", 32, (Hop("ra", "10.0.1.0"),)),)
    with refused("192.0.2.2/32", "r", "ESRCH"):
        segment.delete_route("r", "192.0.2.2", 32)
