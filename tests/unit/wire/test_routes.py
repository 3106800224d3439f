"""Routes and rules: encoded by us, decoded by pyroute2; encoded by pyroute2, decoded by us."""

from __future__ import annotations

from typing import Any

import pytest
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from shadowlab.wire import netlink, routes
from shadowlab.wire.netlink import Request
from shadowlab.wire.routes import RTN_BLACKHOLE, RTN_UNICAST, HopState, RouteState


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


@pytest.mark.parametrize(
    ("destination", "prefix", "via", "family"), [("192.0.2.0", 24, "10.1.2.5", 2), ("2001:db8::", 64, "fd00::5", 10)]
)
def test_a_route_there_and_back(destination: str, prefix: int, via: str, family: int) -> None:
    request = routes.replace_route(destination, prefix, [(64, via, 1)])
    message = oracle(rtmsg, request)

    assert (message["family"], message["dst_len"], message["table"]) == (family, prefix, 254)
    assert (message["type"], message["scope"], message["proto"]) == (1, 0, 4)
    assert message.get_attr("RTA_DST") == destination
    assert message.get_attr("RTA_GATEWAY") == via
    assert message.get_attr("RTA_OIF") == 64
    assert message.get_attr("RTA_TABLE") is None
    held = RouteState(destination, prefix, (HopState(64, via),), RTN_UNICAST, 254, 4, cloned=False)
    assert routes.parse_route(request.body) == held


@pytest.mark.parametrize(
    ("destination", "vias"), [("192.0.2.0", ("10.1.2.5", "10.1.3.5", None)), ("2001:db8::", ("fd00::5", "fd01::5"))]
)
def test_equal_cost_ways_there_and_back(destination: str, vias: tuple[str | None, ...]) -> None:
    ways = [(64 + place, via, weight) for place, (via, weight) in enumerate(zip(vias, (1, 3, 256), strict=False))]
    request = routes.replace_route(destination, 24, ways)
    message = oracle(rtmsg, request)

    held = [(one["oif"], one.get_attr("RTA_GATEWAY"), one["hops"]) for one in message.get_attr("RTA_MULTIPATH")]
    assert held == [(index, via, weight - 1) for index, via, weight in ways]
    assert message.get_attr("RTA_OIF") is None
    assert routes.parse_route(request.body).hops == tuple(
        HopState(index, via, weight=weight) for index, via, weight in ways
    )


def test_a_route_without_a_gateway_has_the_scope_of_its_link() -> None:
    message = oracle(rtmsg, routes.replace_route("192.0.2.0", 24, [(64, None, 1)]))

    assert message["scope"] == routes.SCOPE_LINK
    assert message.get_attr("RTA_GATEWAY") is None


def test_a_route_without_a_way_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a way"):
        routes.replace_route("192.0.2.0", 24, [])


@pytest.mark.parametrize("weight", [0, 257, -1])
def test_a_weight_that_no_octet_holds_is_refused(weight: int) -> None:
    for ways in ([(64, "10.1.2.5", weight)], [(64, "10.1.2.5", 1), (65, "10.1.3.5", weight)]):
        with pytest.raises(ValueError, match=f"1 to 256, not {weight}"):
            routes.replace_route("192.0.2.0", 24, ways)


@pytest.mark.parametrize(("table", "short"), [(7, 7), (1000, 0)])
def test_a_black_hole_in_another_table(table: int, short: int) -> None:
    request = routes.replace_by_black_hole("192.0.2.0", 24, table)
    message = oracle(rtmsg, request)

    assert (message["type"], message["table"], message.get_attr("RTA_TABLE")) == (RTN_BLACKHOLE, short, table)
    assert routes.parse_route(request.body) == RouteState(
        "192.0.2.0", 24, (), RTN_BLACKHOLE, table, routes.RTPROT_STATIC, cloned=False
    )


@pytest.mark.parametrize(("destination", "metric"), [("192.0.2.0", None), ("2001:db8::", 1024)])
def test_a_deletion_is_of_any_kind_but_the_kernels_own(destination: str, metric: int | None) -> None:
    message = oracle(rtmsg, routes.delete_route(destination, 64 if metric else 24))

    assert (message["type"], message["scope"], message["proto"]) == (0, 255, 0)
    assert message.get_attr("RTA_PRIORITY") == metric


@pytest.mark.parametrize(("source", "arrived_by"), [("", 0), ("192.0.2.1", 0), ("192.0.2.1", 65)])
def test_a_question_for_the_way_of_a_packet(source: str, arrived_by: int) -> None:
    message = oracle(rtmsg, routes.get_route("192.0.2.2", source, arrived_by))

    assert message.get_attr("RTA_DST") == "192.0.2.2"
    assert (message.get_attr("RTA_SRC") or "") == source
    assert (message.get_attr("RTA_IIF") or 0) == arrived_by


def test_a_question_for_the_way_of_a_flow() -> None:
    request = routes.get_route("2001:db8::2", "2001:db8::1", 65, (6, 40_000, 443))
    message = oracle(rtmsg, request)
    held = netlink.attributes(request.body, 12)

    assert (message["family"], message["dst_len"], message["src_len"]) == (10, 128, 128)
    assert held[routes.RTA_IP_PROTO] == b"\x06"
    assert (held[routes.RTA_SPORT], held[routes.RTA_DPORT]) == ((40_000).to_bytes(2, "big"), (443).to_bytes(2, "big"))
    assert message["flags"] == 0
    assert oracle(rtmsg, routes.get_route("::1", "", 0, whole_route=True))["flags"] == routes.RTM_F_FIB_MATCH


def test_a_dead_hop_is_told() -> None:
    hops = [
        {"oif": 64, "flags": 0x1, "attrs": [("RTA_GATEWAY", "10.0.0.1")]},
        {"oif": 65, "flags": 0x4, "attrs": [("RTA_GATEWAY", "10.0.1.1")]},
    ]
    state = routes.parse_route(body(rtmsg(), family=2, dst_len=24, type=1, attrs=[("RTA_MULTIPATH", hops)]))

    assert state.hops == (HopState(64, "10.0.0.1", dead=True), HopState(65, "10.0.1.1"))


def test_a_hop_that_claims_too_much_is_refused() -> None:
    broken = netlink.pack_attribute(routes.RTA_MULTIPATH, b"\xff\x00\x00\x00\x40\x00\x00\x00")
    header = routes.replace_by_black_hole("0.0.0.0", 0).body[:12]

    with pytest.raises(ValueError, match="a next hop claims 255 bytes"):
        routes.parse_route(header + broken)


@pytest.mark.parametrize(
    ("source", "destination", "family"),
    [("192.0.2.1/32", "", 2), ("", "198.51.100.0/24", 2), ("2001:db8::1/128", "2001:db8:1::/48", 10)],
)
def test_a_rule_there_and_back(source: str, destination: str, family: int) -> None:
    request = routes.new_rule(source, destination, 1000, 77)
    message = oracle(fibmsg, request)

    def prefix(name: str, bits: int) -> str:
        address = message.get_attr(name)
        return f"{address}/{bits}" if address else ""

    assert message["family"] == family
    assert prefix("FRA_SRC", message["src_len"]) == source
    assert prefix("FRA_DST", message["dst_len"]) == destination
    assert (message["action"], message["table"]) == (1, 0)
    assert (message.get_attr("FRA_TABLE"), message.get_attr("FRA_PRIORITY")) == (1000, 77)
    assert message.get_attr("FRA_PROTOCOL") == routes.RTPROT_STATIC
    assert routes.parse_rule(request.body) == (source, destination, 1000, 77, routes.RTPROT_STATIC)
    assert routes.delete_rule(source, destination, 1000, 77).body == request.body


@pytest.mark.parametrize(
    ("source", "destination"), [("", ""), ("192.0.2.1/24", ""), ("192.0.2.1", ""), ("192.0.2.1/32", "2001:db8::/32")]
)
def test_what_is_no_rule_is_refused(source: str, destination: str) -> None:
    with pytest.raises(ValueError, match=r"rule needs|prefix|bits beyond|one family"):
        routes.new_rule(source, destination, 7, 77)
