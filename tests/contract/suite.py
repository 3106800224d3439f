"""What every segment does, as plain functions with asserts: the fake's promise is Linux' behaviour.

Imported inside the guest, where an import is slow: no pytest.  Each check takes a fresh segment and reads as one
sentence: given, when, then.  ``CHECKS`` holds for both implementations, ``LINUX_CHECKS`` needs packets or programs.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.ports import NextHop, Segment
from shadowlab.model.impairment import Impairment

Check = Callable[[Segment], None]
CHECKS: list[Check] = []
LINUX_CHECKS: list[Check] = []
RESULTS_FILE = "contract.json"

MAC_A, MAC_B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
FULL = Impairment(delay_ns=20_000_123, jitter_ns=1_000_001, loss=0.25, rate_bps=10_000_000, queue_packets=37)


def both(check: Check) -> Check:
    CHECKS.append(check)
    return check


def linux(check: Check) -> Check:
    LINUX_CHECKS.append(check)
    return check


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """The body is refused, and the message holds every one of ``words``."""
    try:
        yield
    except KernelRefusedError as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, f"{error} does not say {missing}"
    else:
        raise AssertionError(f"was not refused ({', '.join(words)})")


def make_pair(segment: Segment, a: str = "a", b: str = "b", number: int = 0) -> None:
    """Two namespaces joined by a link that is up: ``a/ab`` 10.0.n.0 and ``b/ba`` 10.0.n.1."""
    for node in (a, b):
        if node not in segment.namespaces():
            segment.create_namespace(node)
    mac_a, mac_b = f"02:00:00:00:{number:02x}:0a", f"02:00:00:00:{number:02x}:0b"
    segment.create_veth(
        node_a=a, name_a=a + b, mac_a=mac_a, node_b=b, name_b=b + a, mac_b=mac_b, mtu=1500, alias=f"{a}-{b}"
    )
    for node, name, own, peer, mac in ((a, a + b, 0, 1, mac_b), (b, b + a, 1, 0, mac_a)):
        segment.add_address(node, name, f"10.0.{number}.{own}", 31)
        segment.add_neighbour(node, name, f"10.0.{number}.{peer}", mac)
        segment.set_link_up(node, name, up=True)
    segment.wait_for_links([(a, a + b), (b, b + a)])


def make_line(segment: Segment) -> None:
    """``a`` - ``r`` - ``b`` with routes between the ends' own addresses, 192.0.2.1 and 192.0.2.2."""
    make_pair(segment, "a", "r", 1)
    make_pair(segment, "r", "b", 2)
    segment.set_sysctl("r", "net/ipv4/ip_forward", "1")
    for node, address in (("a", "192.0.2.1"), ("b", "192.0.2.2"), ("r", "192.0.2.3")):
        segment.add_address(node, "lo", address, 32)
    segment.replace_route("a", "192.0.2.2", 32, "10.0.1.1", "ar")
    segment.replace_route("r", "192.0.2.2", 32, "10.0.2.1", "rb")
    segment.replace_route("b", "192.0.2.1", 32, "10.0.2.0", "br")
    segment.replace_route("r", "192.0.2.1", 32, "10.0.1.0", "ra")


# --- namespaces and sysctls ----------------------------------------------------------------------------------------


@both
def a_namespace_is_listed_and_empty(segment: Segment) -> None:
    segment.create_namespace("a")

    assert segment.namespaces() == ("a",)
    assert dict(segment.links("a")) == {}
    assert segment.addresses("a") == ()
    assert segment.routes("a") == ()


@both
def a_second_namespace_of_one_name_is_refused(segment: Segment) -> None:
    segment.create_namespace("a")

    with refused("namespace for a", "EEXIST"):
        segment.create_namespace("a")


@both
def a_missing_namespace_is_named(segment: Segment) -> None:
    for ask in (segment.links, segment.addresses, segment.routes, segment.counters, segment.neighbours):
        with refused("nowhere", "ENOENT"):
            ask("nowhere")


@both
def a_fresh_namespace_is_quiet(segment: Segment) -> None:
    segment.create_namespace("a")

    assert segment.read_sysctl("a", "net/ipv4/ip_forward") == "0"
    assert segment.read_sysctl("a", "net/ipv4/conf/all/rp_filter") == "0"
    assert segment.read_sysctl("a", "net/ipv4/conf/all/send_redirects") == "0"
    assert segment.read_sysctl("a", "net/ipv4/tcp_no_metrics_save") == "1"


@both
def a_sysctl_holds_in_its_own_namespace_only(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    segment.set_sysctl("a", "net/ipv4/ip_forward", "1")

    assert segment.read_sysctl("a", "net/ipv4/ip_forward") == "1"
    assert segment.read_sysctl("b", "net/ipv4/ip_forward") == "0"


@both
def an_unknown_sysctl_is_refused_by_name(segment: Segment) -> None:
    segment.create_namespace("a")

    with refused("net/ipv4/no_such_key", "ENOENT"):
        segment.set_sysctl("a", "net/ipv4/no_such_key", "1")
    with refused("net/ipv4/no_such_key", "ENOENT"):
        segment.read_sysctl("a", "net/ipv4/no_such_key")


# --- links ---------------------------------------------------------------------------------------------------------


@both
def a_link_is_made_down(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    segment.create_veth(node_a="a", name_a="x", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l")

    assert dict(segment.links("a")) == {"x": False}
    assert dict(segment.links("b")) == {"y": False}


@both
def a_link_carries_when_both_ends_are_up(segment: Segment) -> None:
    make_pair(segment)

    assert dict(segment.links("a")) == {"ab": True}

    segment.set_link_up("b", "ba", up=False)

    assert dict(segment.links("a")) == {"ab": False}
    assert dict(segment.links("b")) == {"ba": False}


@both
def deleting_one_end_deletes_both(segment: Segment) -> None:
    make_pair(segment)

    segment.delete_link("a", "ab")

    assert dict(segment.links("a")) == {}
    assert dict(segment.links("b")) == {}
    with refused("a/ab", "ENODEV"):
        segment.set_link_up("a", "ab", up=True)


@both
def a_deleted_link_can_be_made_again(segment: Segment) -> None:
    make_pair(segment)
    segment.delete_link("b", "ba")

    make_pair(segment)

    assert dict(segment.links("a")) == {"ab": True}


@both
def a_link_between_ends_of_one_name_in_two_nodes_is_fine(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    segment.create_veth(node_a="a", name_a="e", mac_a=MAC_A, node_b="b", name_b="e", mac_b=MAC_B, mtu=1500, alias="l")

    assert set(segment.links("a")) == set(segment.links("b")) == {"e"}


@both
def a_taken_name_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("a/ab", "EEXIST"):
        segment.create_veth(
            node_a="a", name_a="ab", mac_a=MAC_A, node_b="b", name_b="new", mac_b=MAC_B, mtu=1500, alias="l"
        )
    assert dict(segment.links("b")) == {"ba": True}


@both
def a_name_too_long_is_refused(segment: Segment) -> None:
    segment.create_namespace("a")
    segment.create_namespace("b")

    with refused("sixteen-letters-", "EINVAL"):
        segment.create_veth(
            node_a="a", name_a="sixteen-letters-", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l"
        )
    assert dict(segment.links("a")) == {}


@both
def waiting_for_a_link_that_stays_down_is_refused_by_name(segment: Segment) -> None:
    make_pair(segment)
    segment.set_link_up("a", "ab", up=False)

    with refused("b/ba", "ETIMEDOUT"):
        segment.wait_for_links([("b", "ba")])


# --- addresses, neighbours, routes -----------------------------------------------------------------------------------


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
    assert routes == (("192.0.2.2", 32, "10.0.1.1", "ar"),)

    segment.set_link_up("a", "ar", up=False)
    assert segment.neighbours("a") == ()
    segment.set_link_up("a", "ar", up=True)

    assert segment.neighbours("a") == neighbours
    assert segment.routes("a") == ()


@both
def a_route_is_replaced(segment: Segment) -> None:
    make_pair(segment, "a", "b", 0)
    make_pair(segment, "a", "c", 1)
    segment.replace_route("a", "192.0.2.9", 32, "10.0.0.1", "ab")

    segment.replace_route("a", "192.0.2.9", 32, "10.0.1.1", "ac")

    assert segment.routes("a") == (("192.0.2.9", 32, "10.0.1.1", "ac"),)


@both
def a_route_by_a_gateway_off_the_link_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("192.0.2.9/32", "10.9.9.9", "ENETUNREACH"):
        segment.replace_route("a", "192.0.2.9", 32, "10.9.9.9", "ab")


@both
def a_route_by_an_interface_that_is_down_is_refused(segment: Segment) -> None:
    make_pair(segment)
    segment.set_link_up("a", "ab", up=False)

    with refused("192.0.2.9/32", "ENETUNREACH"):
        segment.replace_route("a", "192.0.2.9", 32, "10.0.0.1", "ab")


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
    segment.replace_route("a", "192.0.2.0", 24, "10.0.0.1", "ab")
    segment.replace_route("a", "192.0.2.9", 32, "10.0.1.1", "ac")

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


# --- impairments -----------------------------------------------------------------------------------------------------


@both
def an_interface_has_no_netem_at_first(segment: Segment) -> None:
    make_pair(segment)

    assert segment.read_netem("a", "ab") is None


@both
def netem_is_read_back(segment: Segment) -> None:
    make_pair(segment)

    segment.set_netem("a", "ab", FULL)

    held = segment.read_netem("a", "ab")
    assert held is not None
    assert abs(held.loss - FULL.loss) < 1e-9
    assert replace(held, loss=FULL.loss) == FULL


@both
def a_change_sends_the_whole_state(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", FULL)

    segment.set_netem("a", "ab", Impairment(delay_ns=5_000_000))

    assert segment.read_netem("a", "ab") == Impairment(delay_ns=5_000_000)


@both
def jitter_without_a_rate_reads_back_without_one(segment: Segment) -> None:
    make_pair(segment)

    segment.set_netem("a", "ab", Impairment(delay_ns=5_000_000, jitter_ns=2_000_000))

    assert segment.read_netem("a", "ab") == Impairment(delay_ns=5_000_000, jitter_ns=2_000_000)


@both
def rates_and_times_beyond_32_bits_are_held(segment: Segment) -> None:
    make_pair(segment)
    wanted = Impairment(delay_ns=300_000_000_000, rate_bps=100_000_000_000, queue_packets=10)

    segment.set_netem("a", "ab", wanted)

    assert segment.read_netem("a", "ab") == wanted


@both
def what_netem_cannot_hold_is_refused_and_nothing_changes(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", FULL)
    before = segment.read_netem("a", "ab")

    for impossible, word in (
        (Impairment(loss=1e-12), "loss"),
        (Impairment(rate_bps=1), "rate"),
        (Impairment(jitter_ns=3_000_000_000, delay_ns=3_000_000_000), "jitter"),
    ):
        with refused("a/ab", word, "EINVAL"):
            segment.set_netem("a", "ab", impossible)

    assert segment.read_netem("a", "ab") == before


@both
def netem_on_a_missing_interface_is_refused(segment: Segment) -> None:
    make_pair(segment)

    with refused("a/none", "ENODEV"):
        segment.set_netem("a", "none", FULL)


@both
def netem_goes_with_its_interface(segment: Segment) -> None:
    make_pair(segment)
    segment.set_netem("a", "ab", FULL)
    segment.delete_link("a", "ab")

    make_pair(segment)

    assert segment.read_netem("a", "ab") is None


@both
def arrivals_are_impaired_through_an_ifb(segment: Segment) -> None:
    make_pair(segment)

    segment.redirect_ingress("a", "ab", "i.ab")
    segment.redirect_ingress("a", "ab", "i.ab")
    segment.set_netem("a", "i.ab", FULL)

    held = segment.read_netem("a", "i.ab")
    assert held is not None
    assert held.delay_ns == FULL.delay_ns
    assert segment.read_netem("a", "ab") is None
    assert dict(segment.links("a")) == {"ab": True, "i.ab": True}
    assert set(segment.counters("a")) == {"ab", "i.ab"}


@both
def an_ifb_goes_with_the_interface_it_serves(segment: Segment) -> None:
    make_pair(segment)
    segment.redirect_ingress("a", "ab", "i.ab")

    segment.delete_link("b", "ba")

    assert dict(segment.links("a")) == {}


@both
def an_ifb_with_a_taken_name_is_refused(segment: Segment) -> None:
    make_pair(segment, "a", "b", 0)
    make_pair(segment, "a", "c", 1)

    with refused("a/ab", "ac", "EEXIST"):
        segment.redirect_ingress("a", "ab", "ac")


# --- batches ---------------------------------------------------------------------------------------------------------


@both
def a_batch_is_done_at_its_end(segment: Segment) -> None:
    with segment.batch():
        for node in ("a", "b"):
            segment.create_namespace(node)
        segment.create_veth(
            node_a="a", name_a="x", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l"
        )
        segment.add_address("a", "x", "10.0.0.0", 31)
        segment.set_netem("a", "x", FULL)
        segment.set_link_up("a", "x", up=True)
        segment.set_link_up("b", "y", up=True)
        segment.replace_route("a", "192.0.2.9", 32, "10.0.0.1", "x")
    segment.wait_for_links([("a", "x"), ("b", "y")])

    assert dict(segment.links("a")) == {"x": True}
    assert segment.routes("a") == (("192.0.2.9", 32, "10.0.0.1", "x"),)
    assert segment.read_netem("a", "x") is not None


@both
def reading_in_a_batch_sees_what_came_before(segment: Segment) -> None:
    with segment.batch():
        segment.create_namespace("a")
        segment.create_namespace("b")
        segment.create_veth(
            node_a="a", name_a="x", mac_a=MAC_A, node_b="b", name_b="y", mac_b=MAC_B, mtu=1500, alias="l"
        )
        segment.add_address("a", "x", "10.0.0.0", 31)

        assert segment.addresses("a") == (("x", "10.0.0.0", 31),)


@both
def a_refusal_in_a_batch_names_its_object(segment: Segment) -> None:
    make_pair(segment)

    with refused("192.0.2.7/32", "10.9.9.9", "ENETUNREACH"), segment.batch():
        segment.replace_route("a", "192.0.2.6", 32, "10.0.0.1", "ab")
        segment.replace_route("a", "192.0.2.7", 32, "10.9.9.9", "ab")
        segment.replace_route("a", "192.0.2.8", 32, "10.0.0.1", "ab")


# --- packets and programs: Linux only --------------------------------------------------------------------------------


def _udp(segment: Segment, node: str, address: str) -> socket.socket:
    opened = segment.open_socket(node, socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind((address, 7000))
    opened.settimeout(3)
    return opened


def _one_way_ns(sender: socket.socket, receiver: socket.socket, address: str) -> int:
    before = time.monotonic_ns()
    sender.sendto(b"x" * 100, (address, 7000))
    receiver.recv(200)
    return time.monotonic_ns() - before


@linux
def netem_delays_what_leaves(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=20_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        there, back = _one_way_ns(a, b, "192.0.2.2"), _one_way_ns(b, a, "192.0.2.1")

    assert 20_000_000 <= there < 21_000_000, there
    assert back < 1_000_000, back


@linux
def an_ifb_delays_what_arrives(segment: Segment) -> None:
    make_line(segment)
    segment.redirect_ingress("r", "ra", "i.ra")
    segment.set_netem("r", "i.ra", Impairment(delay_ns=30_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        there, back = _one_way_ns(a, b, "192.0.2.2"), _one_way_ns(b, a, "192.0.2.1")

    counters = segment.counters("r")
    assert 30_000_000 <= there < 31_000_000, there
    assert back < 1_000_000, back
    assert counters["i.ra"].queue_sent_packets == 1
    assert counters["i.ra"].queue_sent_bytes == 100 + 8 + 20 + 14


@linux
def a_rate_counts_the_frame_as_a_wire_does(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(rate_bps=1_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        there = _one_way_ns(a, b, "192.0.2.2")

    wire_ns = (100 + 8 + 20 + 14 + 24) * 8 * 1000
    assert wire_ns <= there < wire_ns + 300_000, (there, wire_ns)


@linux
def ordered_jitter_keeps_the_order(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=20_000_000, jitter_ns=15_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        for number in range(200):
            a.sendto(number.to_bytes(2, "big"), ("192.0.2.2", 7000))
            time.sleep(0.0005)
        came = [int.from_bytes(b.recv(10), "big") for _ in range(200)]

    assert came == list(range(200))


@linux
def loss_is_counted_as_drops(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(loss=1.0))
    with _udp(segment, "a", "192.0.2.1") as a:
        for _ in range(50):
            a.sendto(b"x", ("192.0.2.2", 7000))
        time.sleep(0.05)

    counters = segment.counters("r")
    assert counters["rb"].queue_drops == 50
    assert counters["ra"].rx_packets == 50


@linux
def a_full_buffer_drops_the_rest(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(rate_bps=100_000, queue_packets=10))
    with _udp(segment, "a", "192.0.2.1") as a:
        for _ in range(50):
            a.sendto(b"x" * 1000, ("192.0.2.2", 7000))
        time.sleep(0.01)

    counters = segment.counters("r")["rb"]
    assert 10 <= counters.queue_packets <= 11, counters
    assert counters.queue_drops >= 38, counters


@linux
def a_change_in_place_keeps_what_is_queued(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(delay_ns=100_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        a.sendto(b"queued", ("192.0.2.2", 7000))
        time.sleep(0.01)
        segment.set_netem("r", "rb", Impairment(delay_ns=200_000_000))

        assert b.recv(10) == b"queued"


@linux
def the_source_of_a_connection_is_the_nodes_own_address(segment: Segment) -> None:
    make_line(segment)
    with (
        segment.open_socket("b", socket.AF_INET, socket.SOCK_STREAM) as listener,
        segment.open_socket("a", socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        listener.bind(("192.0.2.2", 7001))
        listener.listen()
        client.settimeout(3)
        client.connect(("192.0.2.2", 7001))

        assert client.getsockname()[0] == "192.0.2.1"


@linux
def packets_are_never_larger_than_the_mtu(segment: Segment) -> None:
    make_line(segment)
    with (
        segment.open_socket("b", socket.AF_INET, socket.SOCK_STREAM) as listener,
        segment.open_socket("a", socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        listener.bind(("192.0.2.2", 7001))
        listener.listen()
        client.settimeout(3)
        client.connect(("192.0.2.2", 7001))
        server, _ = listener.accept()
        with server:
            server.settimeout(3)
            client.sendall(b"x" * 100_000)
            taken = 0
            while taken < 100_000:
                taken += len(server.recv(100_000))

    counters = segment.counters("r")["rb"]
    assert counters.tx_packets >= 100_000 // 1448, counters


@linux
def sockets_do_not_block_and_are_not_inherited(segment: Segment) -> None:
    segment.create_namespace("a")

    with segment.open_socket("a", socket.AF_INET, socket.SOCK_STREAM) as opened:
        assert not opened.getblocking()
        assert not opened.get_inheritable()


@linux
def a_script_runs_inside_its_node(segment: Segment) -> None:
    make_line(segment)

    outcome = segment.run_script(
        "r", ["/bin/sh", "-s"], {"WHO": "me"}, 5 * 10**9, "cat /proc/net/dev; echo $WHO; exit 3"
    )

    assert outcome.exit_code == 3
    assert not outcome.timed_out
    assert "ra:" in outcome.output
    assert "rb:" in outcome.output
    assert outcome.output.endswith("me\n")


@linux
def a_script_sees_only_what_it_was_given(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {"GIVEN": "1"}, 5 * 10**9, "/usr/bin/env; pwd; ls | wc -l")

    names = {line.split("=")[0] for line in outcome.output.splitlines() if "=" in line}
    assert names <= {"GIVEN", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}, outcome.output
    assert outcome.output.splitlines()[-1].strip() == "0"


@linux
def a_script_that_takes_too_long_ends_with_all_its_children(segment: Segment) -> None:
    segment.create_namespace("a")
    before = time.monotonic_ns()

    outcome = segment.run_script(
        "a", ["/bin/sh"], {}, 500_000_000, "echo begun; setsid sleep 77777 & sleep 77777 & sleep 77777"
    )

    assert outcome.timed_out
    assert outcome.output == "begun\n"
    assert outcome.exit_code != 0
    assert time.monotonic_ns() - before < 2_000_000_000
    left = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sleep 77777" not in left.output


@linux
def what_a_script_leaves_behind_is_ended(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "(setsid sleep 66666 &) ; echo done")

    assert outcome.exit_code == 0
    assert outcome.output == "done\n"
    left = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "sleep 66666" not in left.output


@linux
def long_output_is_cut(segment: Segment) -> None:
    segment.create_namespace("a")

    outcome = segment.run_script("a", ["/bin/sh"], {}, 5 * 10**9, "head -c 200000 /dev/zero | tr '\\0' x")

    assert outcome.exit_code == 0
    assert 65_536 <= len(outcome.output) < 65_600
    assert "cut" in outcome.output[-30:]


@linux
def a_program_that_is_not_there_is_refused_by_name(segment: Segment) -> None:
    segment.create_namespace("a")

    with refused("/no/such/program", "ENOENT"):
        segment.run_script("a", ["/no/such/program"], {}, 10**9, "")


# --- running them inside the guest -----------------------------------------------------------------------------------


def run(job_path: str, folder: str) -> int:
    """The guest's entry: every check against Linux, each in a segment of its own; the outcomes as JSON."""
    import traceback

    from shadowlab.kernel.linux import LinuxSegment

    results: dict[str, str] = {}
    for check in CHECKS + LINUX_CHECKS:
        try:
            with LinuxSegment() as segment:
                check(segment)
            results[check.__name__] = ""
        except Exception:  # noqa: BLE001 - whatever went wrong, the test of that name reports it
            results[check.__name__] = traceback.format_exc()
    with open(f"{folder}/{RESULTS_FILE}", "w", encoding="utf-8") as file:
        json.dump(results, file)
    return 0
