"""Equal-cost ways, black holes and exceptions by source: set, read back, gone; and the way that packets really take."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Iterable, Sequence

from contract_base import (
    both,
    linux,
    make_line,
    make_pair,
    refused,
    say_groups_at_once,
    sent_since,
    try_sysctl,
    wait_until,
    wait_until_quiet,
)

from shadowlab.kernel.ports import ANYWHERE, Flow, Hop, NextHop, Route, Rule, Segment

SEED = "net/ipv4/fib_multipath_hash_seed"
SOURCE, TARGET = "192.0.2.1", "192.0.2.2"
SOURCE6, TARGET6 = "2001:db8::1", "2001:db8::2"
PORTS = range(40_000, 40_064)
WAYS = (1, 2, 3)


def set_seed(segment: Segment, node: str, seed: str = "20177") -> bool:
    """False: this kernel (before Linux 6.11) has none."""
    return try_sysctl(segment, node, SEED, seed)


def make_fan(segment: Segment) -> None:
    """``a`` - ``r`` = three ways = ``b``, by IPv4 and IPv6: equal at ``r``, and back by the first one.

    ``r`` reaches ``b`` by ``x1`` … ``x3``; ``b`` has both target addresses on its loopback.  Both have a seed, if there
    is such a thing.
    """
    for node in "arb":
        segment.create_namespace(node, ipv6=True)
        segment.set_sysctl(node, "net/ipv4/ip_forward", "1")
        segment.set_sysctl(node, "net/ipv6/conf/all/forwarding", "1")
        set_seed(segment, node)
        say_groups_at_once(segment, node)
    for node, own, own6 in (("a", SOURCE, SOURCE6), ("b", TARGET, TARGET6)):
        segment.add_address(node, "lo", own, 32)
        segment.add_address(node, "lo", own6, 128)
    join(segment, "a", "ar", "r", "ra", 0)
    for way in WAYS:
        join(segment, "r", f"x{way}", "b", f"y{way}", way)
    segment.replace_route("a", TARGET, 32, [Hop("ar", "10.2.0.2")])
    segment.replace_route("a", TARGET6, 128, [Hop("ar", "fd00:0::2")])
    segment.replace_route("r", TARGET, 32, [Hop(f"x{way}", f"10.2.{way}.2") for way in WAYS])
    segment.replace_route("r", TARGET6, 128, [Hop(f"x{way}", f"fd00:{way}::2") for way in WAYS])
    segment.replace_route("r", SOURCE, 32, [Hop("ra", "10.2.0.1")])
    segment.replace_route("r", SOURCE6, 128, [Hop("ra", "fd00::1")])
    segment.replace_route("b", SOURCE, 32, [Hop("y1", "10.2.1.1")])
    segment.replace_route("b", SOURCE6, 128, [Hop("y1", "fd00:1::1")])


def join(segment: Segment, a: str, name_a: str, b: str, name_b: str, number: int) -> None:
    """A link that is up: 10.2.n.1 and .2, fd00:n::1 and ::2."""
    macs = [f"02:00:00:02:{number:02x}:{end:02x}" for end in (1, 2)]
    segment.create_veth(
        node_a=a, name_a=name_a, mac_a=macs[0], node_b=b, name_b=name_b, mac_b=macs[1], mtu=1500, alias=f"{number}"
    )
    for node, name, own, far in ((a, name_a, 1, 2), (b, name_b, 2, 1)):
        for form, prefix in (("10.2.{}.{}", 30), ("fd00:{}::{}", 126)):
            segment.add_address(node, name, form.format(number, own), prefix)
            segment.add_neighbour(node, name, form.format(number, far), macs[far - 1])
        segment.set_link_up(node, name, up=True)
    segment.wait_for_links([(a, name_a), (b, name_b)])


def _predictable(segment: Segment, node: str, *wanted: int) -> tuple[int, ...]:
    """The families of whose flows the next hop can be told: all with a seed, those of ``wanted`` without one."""
    return (4, 6) if set_seed(segment, node) else wanted


def _of(family: int) -> tuple[str, str, int]:
    return (SOURCE6, TARGET6, 128) if family == 6 else (SOURCE, TARGET, 32)


# --- equal-cost ways -------------------------------------------------------------------------------------------------


@both
def equal_cost_ways_are_read_back(segment: Segment) -> None:
    make_fan(segment)

    held = {one.destination: one for one in segment.routes("r")}

    assert held[TARGET] == Route(TARGET, 32, tuple(Hop(f"x{way}", f"10.2.{way}.2") for way in WAYS))
    assert held[TARGET6] == Route(TARGET6, 128, tuple(Hop(f"x{way}", f"fd00:{way}::2") for way in WAYS))


@both
def one_way_and_several_replace_each_other(segment: Segment) -> None:
    make_fan(segment)
    for target, form, prefix in ((TARGET, "10.2.{}.2", 32), (TARGET6, "fd00:{}::2", 128)):
        for ways in ((1,), (2, 3), (3, 1), (), (1, 2, 3), (2,), (), (3,)):
            hops = tuple(Hop(f"x{way}", form.format(way)) for way in ways)

            if hops:
                segment.replace_route("r", target, prefix, hops)
            else:
                segment.replace_by_black_hole("r", target, prefix)

            held = [one for one in segment.routes("r") if one.destination == target]
            assert held == [Route(target, prefix, hops, "unicast" if hops else "blackhole")]


@both
def equal_cost_ways_are_deleted_together(segment: Segment) -> None:
    make_fan(segment)

    segment.delete_route("r", TARGET, 32)
    segment.delete_route("r", TARGET6, 128)

    assert {one.destination for one in segment.routes("r")} == {SOURCE, SOURCE6}
    assert segment.next_hop("r", TARGET, SOURCE, "ra") is None
    assert segment.next_hop("r", TARGET6, SOURCE6, "ra") is None


@both
def weights_are_read_back_changed_and_share_flows_out(segment: Segment) -> None:
    make_fan(segment)
    predictable = _predictable(segment, "r")
    for family, form in ((4, "10.2.{}.2"), (6, "fd00:{}::2")):
        source, target, prefix = _of(family)
        for weights in ((1, 2, 5), (256, 1, 1), (5, 5, 1), (1, 1, 1)):
            hops = tuple(Hop(f"x{way}", form.format(way), weight) for way, weight in zip(WAYS, weights, strict=True))
            segment.replace_route("r", target, prefix, hops)

            assert [one for one in segment.routes("r") if one.destination == target] == [Route(target, prefix, hops)]
            if family in predictable:
                flows = [Flow("udp", port, 7000) for port in range(40_000, 40_400)]
                found = [segment.next_hop("r", target, source, "ra", flow) for flow in flows]
                shares = Counter(hop.interface for hop in found if hop is not None)
                for hop in hops:
                    assert abs(shares[hop.interface] / 400 - hop.weight / sum(weights)) < 0.1, (weights, shares)

        with refused(f"{target}/{prefix}", "EINVAL"):
            segment.replace_route("r", target, prefix, [Hop("x1", form.format(1), 257)])
        segment.replace_route("r", target, prefix, [Hop("x1", form.format(1), 9)])
        assert Route(target, prefix, (Hop("x1", form.format(1)),)) in segment.routes("r")
        segment.delete_route("r", target, prefix)
        assert target not in {one.destination for one in segment.routes("r")}


@both
def a_way_that_is_down_is_left_out_and_the_last_takes_the_route_along(segment: Segment) -> None:
    make_fan(segment)

    def held(target: str) -> list[str]:
        return [hop.interface for one in segment.routes("r") if one.destination == target for hop in one.hops]

    segment.set_link_up("r", "x2", up=False)
    assert held(TARGET) == held(TARGET6) == ["x1", "x3"]
    for port in PORTS:
        hop = segment.next_hop("r", TARGET, SOURCE, "ra", Flow("udp", port, 7000))
        assert hop is not None
        assert hop.interface in ("x1", "x3")

    for name in ("x1", "x3"):
        segment.set_link_up("r", name, up=False)
    assert held(TARGET) == held(TARGET6) == []


@both
def the_route_by_a_deleted_interface_is_gone_or_has_lost_it(segment: Segment) -> None:
    make_fan(segment)

    segment.delete_link("r", "x2")

    held = {one.destination: [hop.interface for hop in one.hops] for one in segment.routes("r")}
    assert TARGET not in held
    assert held[TARGET6] == ["x1", "x3"]


@both
def a_route_without_a_way_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("192.0.2.9/32", "EINVAL"):
        segment.replace_route("a", "192.0.2.9", 32, [])


@both
def one_bad_way_is_refused_by_name_and_the_route_stays(segment: Segment) -> None:
    make_fan(segment)
    before = segment.routes("r")

    with refused(f"{TARGET}/32", "10.9.9.9", "ENETUNREACH"):
        segment.replace_route("r", TARGET, 32, [Hop("x1", "10.2.1.2"), Hop("x2", "10.9.9.9")])
    with refused(f"{TARGET}/32", "none", "ENODEV"):
        segment.replace_route("r", TARGET, 32, [Hop("x1", "10.2.1.2"), Hop("none", "10.2.2.2")])

    assert segment.routes("r") == before


@both
def a_route_may_lead_straight_onto_a_link(segment: Segment) -> None:
    make_fan(segment)

    segment.replace_route("r", "198.51.100.0", 24, [Hop("x1")])
    segment.replace_route("r", "2001:db8:5::", 64, [Hop("x1")])

    assert Route("198.51.100.0", 24, (Hop("x1"),)) in segment.routes("r")
    assert Route("2001:db8:5::", 64, (Hop("x1"),)) in segment.routes("r")
    assert segment.next_hop("r", "198.51.100.7", SOURCE, "ra") == NextHop(interface="x1", via=None, local=False)
    assert segment.next_hop("r", "2001:db8:5::7", SOURCE6, "ra") == NextHop(interface="x1", via=None, local=False)


@both
def a_flow_keeps_to_its_way(segment: Segment) -> None:
    make_fan(segment)
    for family in _predictable(segment, "r", 4):
        source, target, _ = _of(family)
        flows = [Flow(protocol, port, 7000) for protocol in ("tcp", "udp") for port in PORTS]

        first = [segment.next_hop("r", target, source, "ra", flow) for flow in flows]

        assert first == [segment.next_hop("r", target, source, "ra", flow) for flow in flows]
        assert {hop.interface for hop in first if hop is not None} == {"x1", "x2", "x3"}


# --- black holes -----------------------------------------------------------------------------------------------------


@both
def a_black_hole_is_read_back_and_deleted(segment: Segment) -> None:
    make_fan(segment)
    before = segment.routes("r")
    for destination, prefix in (("198.51.100.0", 24), ("2001:db8:5::", 64)):
        segment.replace_by_black_hole("r", destination, prefix)

        assert Route(destination, prefix, (), "blackhole") in segment.routes("r")

        segment.delete_route("r", destination, prefix)

    assert segment.routes("r") == before


@both
def what_goes_into_a_black_hole_has_no_next_hop(segment: Segment) -> None:
    make_fan(segment)

    for family in (4, 6):
        source, target, prefix = _of(family)
        segment.replace_by_black_hole("r", target, prefix)

        assert segment.next_hop("r", target, source, "ra") is None
        assert segment.next_hop("r", source, target, "x1") is not None


# --- rules -----------------------------------------------------------------------------------------------------------


@both
def rules_are_read_back_and_deleted(segment: Segment) -> None:
    make_line(segment)
    assert segment.rules("r") == ()
    one = Rule("192.0.2.1/32", ANYWHERE, 1000, 100)
    other = Rule("192.0.2.0/24", "198.51.100.0/24", 7, 99)
    for rule in (one, other):
        segment.add_rule("r", rule)

    assert segment.rules("r") == tuple(sorted((one, other)))

    segment.delete_rule("r", one)
    assert segment.rules("r") == (other,)
    with refused("r", "192.0.2.1/32", "table 1000", "ENOENT"):
        segment.delete_rule("r", one)
    with refused("r", "198.51.100.0/24", "EEXIST"):
        segment.add_rule("r", other)
    with refused("r", "EINVAL"):
        segment.add_rule("r", Rule(ANYWHERE, ANYWHERE, 7, 99))


@both
def a_rule_sends_one_source_another_way(segment: Segment) -> None:
    make_fan(segment)
    for form, family in (("10.2.{}.2", 4), ("fd00:{}::2", 6)):
        source, target, prefix = _of(family)
        segment.replace_route("r", target, prefix, [Hop("x1", form.format(1))])
        segment.replace_route("r", target, prefix, [Hop("x2", form.format(2))], table=1000)
        segment.add_rule("r", Rule(f"{source}/{prefix}", ANYWHERE, 1000, 100))

        excepted = segment.next_hop("r", target, source, "ra")
        others = segment.next_hop("r", target, "198.51.100.1" if family == 4 else "2001:db8:9::1", "ra")

        assert excepted == NextHop(interface="x2", via=form.format(2), local=False)
        assert others == NextHop(interface="x1", via=form.format(1), local=False)
        assert Route(target, prefix, (Hop("x2", form.format(2)),), "unicast", 1000) in segment.routes("r")

        segment.delete_route("r", target, prefix, table=1000)

        assert segment.next_hop("r", target, source, "ra") == others


# --- packets ---------------------------------------------------------------------------------------------------------


def _sent(segment: Segment, node: str, names: Iterable[str]) -> dict[str, int]:
    counters = segment.counters(node)
    return {name: counters[name].tx_packets for name in names}


def _predicted(segment: Segment, node: str, arrived_by: str, family: int, flows: Sequence[Flow]) -> Counter[str]:
    source, target, _ = _of(family)
    hops = [segment.next_hop(node, target, source, arrived_by, flow) for flow in flows]
    return Counter(hop.interface for hop in hops if hop is not None)


def _send_udp(segment: Segment, family: int, ports: Iterable[int], *, connected: bool) -> None:
    source, target, _ = _of(family)
    for port in ports:
        with segment.open_socket("a", socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.bind((source, port))
            if connected:  # such a socket puts its own hash on every packet
                opened.connect((target, 7000))
                opened.send(b"x")
            else:
                opened.sendto(b"x", (target, 7000))


def _spread(segment: Segment, before: dict[str, int], count: int) -> dict[str, int]:
    """How many of ``count`` packets went by each way that was taken at all."""
    return {name: sent for name, sent in sent_since(segment, "r", before, count).items() if sent}


@linux
def packets_of_udp_take_the_way_that_was_predicted(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    for family in _predictable(segment, "r", 4):
        predicted = _predicted(segment, "r", "ra", family, [Flow("udp", port, 7000) for port in PORTS])
        assert len(predicted) == len(WAYS), predicted
        for connected in (False, True):
            before = _sent(segment, "r", ("x1", "x2", "x3"))

            _send_udp(segment, family, PORTS, connected=connected)

            assert _spread(segment, before, len(PORTS)) == predicted, (family, connected)


@linux
def packets_take_their_ways_by_weight(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    for family in _predictable(segment, "r", 4):
        _, target, prefix = _of(family)
        form = "fd00:{}::2" if family == 6 else "10.2.{}.2"
        hops = [Hop(f"x{way}", form.format(way), weight) for way, weight in zip(WAYS, (1, 2, 9), strict=True)]
        segment.replace_route("r", target, prefix, hops)
        predicted = _predicted(segment, "r", "ra", family, [Flow("udp", port, 7000) for port in PORTS])
        assert predicted["x3"] > len(PORTS) / 2, predicted
        before = _sent(segment, "r", ("x1", "x2", "x3"))

        _send_udp(segment, family, PORTS, connected=False)

        assert _spread(segment, before, len(PORTS)) == predicted, family


@linux
def what_cannot_be_told_is_not(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    set_seed(segment, "r", "0")  # the kernel's own, which it keeps for itself
    assert segment.next_hop("r", TARGET, SOURCE, "ra", Flow("udp", 40_000, 7000)) is not None
    with refused("r", TARGET6, "EOPNOTSUPP", SEED):
        segment.next_hop("r", TARGET6, SOURCE6, "ra", Flow("udp", 40_000, 7000))


@linux
def packets_of_one_flow_never_part(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    for family in _predictable(segment, "r", 4):
        (name,) = _predicted(segment, "r", "ra", family, [Flow("udp", 40_001, 7000)])
        before = _sent(segment, "r", ("x1", "x2", "x3"))

        _send_udp(segment, family, [40_001] * 30, connected=False)

        assert _spread(segment, before, 30) == {name: 30}, family


def _dial(segment: Segment, family: int, port: int) -> None:
    """One connection attempt from a port, refused by the target: a SYN there, a reset back."""
    source, target, _ = _of(family)
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    with segment.open_socket("a", kind, socket.SOCK_STREAM) as opened:
        opened.bind((source, port))
        opened.settimeout(3)
        assert opened.connect_ex((target, 7001)) == errno.ECONNREFUSED


@linux
def packets_of_tcp_take_the_way_that_was_predicted(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    for family in _predictable(segment, "r", 4):
        predicted = _predicted(segment, "r", "ra", family, [Flow("tcp", port, 7001) for port in PORTS])
        assert len(predicted) == len(WAYS), predicted
        before = _sent(segment, "r", ("x1", "x2", "x3"))

        for port in PORTS:
            _dial(segment, family, port)

        assert _spread(segment, before, len(PORTS)) == predicted, family


@linux
def a_sender_with_several_ways_keeps_its_word_too(segment: Segment) -> None:
    make_fan(segment)  # seen from b, which has three ways to a
    wait_until_quiet(segment, "arb")
    for family in _predictable(segment, "b", 6):
        form = "10.2.{}.1" if family == 4 else "fd00:{}::1"
        source, target, prefix = _of(family)
        segment.replace_route("b", source, prefix, [Hop(f"y{way}", form.format(way)) for way in WAYS])
        predicted: Counter[str] = Counter()
        for port in PORTS:
            hop = segment.next_hop("b", source, target, None, Flow("udp", port, 7000))
            assert hop is not None
            predicted[hop.interface] += 1
        before = _sent(segment, "b", ("y1", "y2", "y3"))

        for port in PORTS:
            kind = socket.AF_INET6 if family == 6 else socket.AF_INET
            with segment.open_socket("b", kind, socket.SOCK_DGRAM) as opened:
                opened.bind((target, port))
                opened.sendto(b"x", (source, 7000))

        assert sent_since(segment, "b", before, len(PORTS)) == predicted, family


@linux
def a_black_hole_swallows_what_it_is_sent(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    for family in (4, 6):
        _, target, prefix = _of(family)
        segment.replace_by_black_hole("r", target, prefix)
        before, arrived = _sent(segment, "r", ("ra", "x1", "x2", "x3")), segment.counters("r")["ra"].rx_packets

        _send_udp(segment, family, PORTS, connected=False)

        wait_until(lambda: segment.counters("r")["ra"].rx_packets - arrived >= len(PORTS))  # noqa: B023
        assert _spread(segment, before, 0) == {}, family
        assert segment.counters("r")["ra"].rx_packets - arrived == len(PORTS)


@linux
def packets_follow_a_rule(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    for family, form in ((4, "10.2.{}.2"), (6, "fd00:{}::2")):
        source, target, prefix = _of(family)
        segment.replace_route("r", target, prefix, [Hop("x1", form.format(1))])
        segment.replace_route("r", target, prefix, [Hop("x3", form.format(3))], table=1000)
        before = _sent(segment, "r", ("x1", "x2", "x3"))
        _send_udp(segment, family, PORTS[:5], connected=False)
        assert _spread(segment, before, 5) == {"x1": 5}

        segment.add_rule("r", Rule(f"{source}/{prefix}", f"{target}/{prefix}", 1000, 100))
        _send_udp(segment, family, PORTS[:7], connected=False)

        assert _spread(segment, before, 12) == {"x1": 5, "x3": 7}


@linux
def routers_of_different_seeds_do_not_choose_alike(segment: Segment) -> None:
    make_fan(segment)
    wait_until_quiet(segment, "arb")
    flows = [Flow("udp", port, 7000) for port in PORTS]
    if not set_seed(segment, "r", "1"):
        return  # the capability says so

    def chosen() -> list[str]:
        hops = [segment.next_hop("r", TARGET, SOURCE, "ra", flow) for flow in flows]
        return [hop.interface for hop in hops if hop is not None]

    first = chosen()
    segment.set_sysctl("r", SEED, "2")
    second = chosen()
    segment.set_sysctl("r", SEED, "1")

    assert chosen() == first
    # What goes by one way under the first seed goes by every way under the second.
    assert all(len({two for one, two in zip(first, second, strict=True) if one == way}) == 3 for way in set(first))
    before = _sent(segment, "r", ("x1", "x2", "x3"))
    _send_udp(segment, 4, PORTS, connected=True)
    assert _spread(segment, before, len(PORTS)) == Counter(first)
