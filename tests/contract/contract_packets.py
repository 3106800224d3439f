"""What an impairment does to packets, seen by their arrival and by the counters.  Linux only."""

from __future__ import annotations

import socket
import time

from contract_base import linux, make_line, wait_until
from contract_clock import assert_moments, assert_on_time

from shadowlab.kernel.ports import Segment
from shadowlab.model.impairment import Impairment


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

    assert_moments([there], [20_000_000], 1_000_000)
    assert_on_time(back < 1_000_000, back)


@linux
def an_ifb_delays_what_arrives(segment: Segment) -> None:
    make_line(segment)
    segment.redirect_ingress("r", "ra", "i.ra")
    segment.set_netem("r", "i.ra", Impairment(delay_ns=30_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        there, back = _one_way_ns(a, b, "192.0.2.2"), _one_way_ns(b, a, "192.0.2.1")

    counters = segment.counters("r")
    assert counters["i.ra"].queue_sent_packets == 1
    assert counters["i.ra"].queue_sent_bytes == 100 + 8 + 20 + 14
    assert_moments([there], [30_000_000], 1_000_000)
    assert_on_time(back < 1_000_000, back)


@linux
def a_rate_counts_the_frame_as_a_wire_does(segment: Segment) -> None:
    make_line(segment)
    segment.set_netem("r", "rb", Impairment(rate_bps=1_000_000))
    with _udp(segment, "a", "192.0.2.1") as a, _udp(segment, "b", "192.0.2.2") as b:
        there = _one_way_ns(a, b, "192.0.2.2")

    wire_ns = (100 + 8 + 20 + 14 + 24) * 8 * 1000
    assert_moments([there], [wire_ns], 300_000)


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
        wait_until(lambda: segment.counters("r")["rb"].queue_drops >= 50)

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
    assert counters.queue_packets <= 11, counters
    assert counters.queue_drops + counters.queue_packets + counters.queue_sent_packets == 50, counters
    assert_on_time(counters.queue_packets >= 10, counters)
    assert_on_time(counters.queue_drops >= 38, counters)


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


def _packets_of_a_transfer(segment: Segment, size: int) -> int:
    """How many packets the router sends for so many bytes of TCP."""
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
            client.sendall(b"x" * size)
            taken = 0
            while taken < size:
                taken += len(server.recv(size))
    return segment.counters("r")["rb"].tx_packets


@linux
def packets_are_never_larger_than_the_mtu(segment: Segment) -> None:
    make_line(segment)

    packets = _packets_of_a_transfer(segment, 100_000)

    assert packets >= 100_000 // 1448, packets


@linux
def a_larger_mtu_carries_larger_packets(segment: Segment) -> None:
    make_line(segment, mtu=9000)

    packets = _packets_of_a_transfer(segment, 100_000)

    assert 100_000 // 8948 <= packets < 100_000 // 1448 // 2, packets


@linux
def an_offload_that_was_asked_for_lets_super_packets_pass(segment: Segment) -> None:
    make_line(segment, offload=True)

    packets = _packets_of_a_transfer(segment, 100_000)

    assert packets < 100_000 // 1448 // 2, packets


@linux
def sockets_do_not_block_and_are_not_inherited(segment: Segment) -> None:
    segment.create_namespace("a")

    with segment.open_socket("a", socket.AF_INET, socket.SOCK_STREAM) as opened:
        assert not opened.getblocking()
        assert not opened.get_inheritable()
