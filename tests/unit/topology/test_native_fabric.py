"""What a map says of LANs, IPv6, routing and exceptions."""

from __future__ import annotations

import pytest

from shadowlab.errors import InputError
from shadowlab.model.network import Network, SourceRoute, StaticRoute
from shadowlab.topology.native import read_native

HEAD = """\
shadowlab: map/1
name: m
defaults: {router_link: {delay: 1 ms}, access_link: {delay: 1 ms}}
nodes:
  lan: {kind: segment}
  r1: {kind: router}
  r2: {kind: router}
  a: {kind: host}
  b: {kind: host, addresses: [192.0.2.9, "2001:DB8:0::9"]}
links:
  lan-r1: {ends: [lan, r1]}
  lan-a: {ends: [lan, a]}
  r1-r2: {ends: [r1, r2], metric: 3, backward: {metric: 7}}
  r2-b: {ends: [r2, b]}
"""


def read(more: str = "") -> Network:
    return read_native((HEAD + more).encode(), name="m.yaml")


def faults(more: str = "", head: str = HEAD) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_native((head + more).encode(), name="m.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_a_map_states_them_all() -> None:
    network = read(
        "routing: {ecmp: true}\n"
        "routes:\n"
        "  - {at: r1, to: b, via: r2}\n"
        "  - {at: r2, to: a, blackhole: true}\n"
        "  - {from: a, to: b, path: [r1, r2]}\n"
    )

    assert network.nodes_by_id["lan"].kind == "segment"
    assert (network.ecmp, network.ipv6) == (True, True), "a node states an IPv6 address"
    assert network.nodes_by_id["b"].addresses == ("192.0.2.9", "2001:db8::9"), "as everybody writes it"
    link = network.links_by_id["r1-r2"]
    assert [link.metric_of(one) for one in link.directions] == [3, 7]
    assert network.static_routes == (StaticRoute(at="r1", to="b", via="r2"), StaticRoute(at="r2", to="a"))
    assert network.source_routes == (SourceRoute(source="a", target="b", path=("r1", "r2")),)


def test_ipv6_may_be_off_though_an_address_is_stated() -> None:
    assert not read("ipv6: false\n").ipv6


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("routes: [{at: r9, to: b, via: r2}]", "16:15: route: `r9` is not a node of this map"),
        ("routes: [{at: lan, to: b, via: r2}]", "16:15: route: `lan` is a segment; `at` takes a host or a router"),
        ("routes: [{at: r1, to: r2, via: r2}]", "16:23: route: `r2` is a router; `to` takes a host"),
        (
            "routes: [{at: r1, to: b, via: b}]",
            "16:31: route 1: `b` is no neighbour of `r1`; its neighbours are `a`, `r2`",
        ),
        ("routes: [{from: a, to: b, path: [r2]}]", "16:33: route 1: no link leads from `a` to `r2`"),
        (
            "routes: [{at: r1, to: b, via: r2}, {at: r1, to: b, blackhole: true}]",
            "16:36: route 2 is the second for the same packets; the first is route 1",
        ),
        (
            "routes: [{at: r1, to: b}]",
            "16:10: routes[1]: an exception is `{at: r1, to: host, via: r2}`, `{at: r1, to: host, blackhole: true}`, "
            "or `{from: host, to: host, path: [r1, r2]}`",
        ),
        ("routing: {emcp: true}", "16:11: unknown key `emcp` of routing: did you mean `ecmp`?"),
    ],
)
def test_a_wrong_exception_has_its_place_and_its_cure(more: str, message: str) -> None:
    assert faults("\n" + more) == [f"m.yaml:{message}"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "lan: {kind: segment}",
            "lan: {kind: segment, address: 192.0.2.1}",
            "5:24: segment `lan` has an address: it is a bridge; give addresses to the nodes on it",
        ),
        (
            "r1: {kind: router}",
            "r1: {kind: segment}",
            "11:3: link `lan-r1` joins two segments, `lan` and `r1`; put a router between them",
        ),
        (
            "ends: [lan, a]",
            "ends: [lan, a], mtu: 9000",
            "12:3: link `lan-a` has the MTU 9000 and link `lan-r1` 1500, but a segment such as `lan` cannot fragment; "
            "give all its links the same",
        ),
        (
            "2001:DB8:0::9",
            "fe80::1",
            "9:42: nodes.b.addresses[2]: fe80::1 is a link-local address, which cannot be the address of a node",
        ),
        (
            "2001:DB8:0::9",
            "::ffff:192.0.2.9",
            "9:42: nodes.b.addresses[2]: ::ffff:192.0.2.9 is an IPv4 address in the clothes of IPv6, which cannot be "
            "the address of a node",
        ),
    ],
)
def test_a_wrong_segment_or_address_has_its_place_and_its_cure(old: str, new: str, message: str) -> None:
    assert HEAD.count(old) == 1

    assert f"m.yaml:{message}" in faults(head=HEAD.replace(old, new))
