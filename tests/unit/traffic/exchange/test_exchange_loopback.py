"""Workloads over the loopback of this machine: real sockets, every node an address of 127/8."""

from __future__ import annotations

import errno
import itertools
import os
import resource
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from shadowlab.kernel.clock import now_ns
from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.completion import Completion
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.model.traffic.workload import Arrivals, Compute, Lookups, Requests, Transfers, Workload
from shadowlab.traffic.exchange.channel import USED_UP_NS
from shadowlab.traffic.exchange.engine import Exchanges
from shadowlab.traffic.exchange.sockets import SOURCE_PORTS, SPARE_FILES, Ports

MS = 1_000_000
_RUN = itertools.count(os.getpid() * 64)


class Loopback:
    """A door whose every node is this machine."""

    def __init__(self) -> None:
        self.opened: list[socket.socket] = []

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        self.opened.append(sock)
        return sock

    def set_sysctl(self, node: str, key: str, value: str) -> None:
        """This machine's settings stay as they are."""

    def read_sysctl(self, node: str, key: str) -> str:
        return "0"


def allowed() -> TcpOptions:
    with socket.socket() as sock:
        name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()
    return TcpOptions(congestion_control=name)


def driven(
    workloads: Sequence[Workload], wanted: int, compute: dict[str, Compute] | None = None, ports: Ports | None = None
) -> list[Completion]:
    """The records once ``wanted`` exchanges have ended (20 s at most), and of what then still goes on."""
    number, found, door = next(_RUN), list[Completion](), Loopback()
    at = f"127.{number >> 8 & 127}.{number & 255}"
    with Loop(lazy_every_ns=5 * MS) as loop:

        def sink(one: Completion) -> None:
            found.append(one)
            if len(found) >= wanted:
                loop.stop()

        exchanges = Exchanges(
            loop=loop,
            segment=door,
            workloads=workloads,
            compute=compute or {},
            addresses={"a": f"{at}.1", "b": f"{at}.2"},
            seed=1,
            sink=sink,
            ports=ports,
        )
        with exchanges:
            start_ns = now_ns()
            exchanges.start(start_ns, 20_000 * MS)
            loop.run_until(start_ns + 20_000 * MS)
            exchanges.finish()
    assert all(one.fileno() < 0 for one in door.opened)
    return found


def listed(*at_ns: int) -> Arrivals:
    return Arrivals(process="listed", at_ns=at_ns)


def test_transfers_small_and_large_arrive_whole() -> None:
    small = Transfers(name="s", sources=("a",), targets=("b",), arrivals=listed(0, MS), size=constant(1), tcp=allowed())
    large = Transfers(
        name="l", sources=("b",), targets=("a",), arrivals=listed(0), size=constant(20_000_000), tcp=allowed()
    )

    found = driven([small, large], 3)

    assert sorted((one.workload, one.number, one.outcome, one.sent_bytes) for one in found) == [
        (0, 0, "ok", 1),
        (0, 1, "ok", 1),
        (1, 0, "ok", 20_000_000),
    ]
    assert all(0 <= one.start_ns <= one.connected_ns <= one.first_byte_ns <= one.end_ns for one in found)


def test_answers_longer_than_any_buffer_arrive_whole_and_a_full_instance_refuses() -> None:
    ask = Requests(
        name="r",
        clients=("a",),
        servers=("b",),
        request=constant(50_000),
        response=constant(9_000_000),
        think_ns=constant(0),
        arrivals=listed(0, 0, 0),
        tcp=allowed(),
    )

    found = driven([ask], 3, {"b": Compute(workers=1, service_ns=constant(20 * MS), queue=1)})

    assert sorted((one.outcome, one.sent_bytes, one.received_bytes) for one in found) == [
        ("ok", 50_000, 9_000_000),
        ("ok", 50_000, 9_000_000),
        ("refused", 50_000, 64),
    ]


def test_an_exchange_that_is_not_over_at_the_end_is_unfinished_and_one_too_many_is_refused() -> None:
    slow = Requests(
        name="r",
        clients=("a",),
        servers=("b",),
        request=constant(10),
        response=constant(10),
        think_ns=constant(0),
        arrivals=listed(0, 0),
        tcp=allowed(),
        max_concurrent=1,
    )

    found = driven([slow], 1, {"b": Compute(workers=1, service_ns=constant(60_000 * MS))})

    assert [(one.number, one.outcome) for one in found] == [(1, "refused"), (0, "unfinished")]


@contextmanager
def files_left(count: int) -> Iterator[None]:
    """This process may open so many files more, beside those that exchanges leave to others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + SPARE_FILES + count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_without_a_descriptor_have_failed_and_the_run_goes_on() -> None:
    many = Transfers(
        name="t",
        sources=("a",),
        targets=("b",),
        arrivals=listed(*[0] * 50, 2 * USED_UP_NS),
        size=constant(100_000),
        tcp=allowed(),
    )

    with files_left(30):
        found = driven([many], 51)

    failed = [one for one in found if one.outcome == "failed"]
    assert {one.errno for one in failed} == {errno.EMFILE}
    assert 10 < len(failed) < 50
    assert {one.outcome for one in found if one not in failed} == {"ok"}
    assert 50 not in {one.number for one in failed}  # by then the others had ended


def test_a_user_who_does_not_think_finds_a_port_when_one_is_free_again() -> None:
    class Crowded(Ports):
        """For the first three calls every port is one that nobody may bind to."""

        calls = 0

        def source(self, node: str) -> int:
            Crowded.calls += 1
            return taken.getsockname()[1] if Crowded.calls <= 3 * SOURCE_PORTS else super().source(node)

    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        asking = Requests(
            name="r",
            clients=("a",),
            servers=("b",),
            request=constant(10),
            response=constant(10),
            think_ns=constant(0),
            tcp=allowed(),
        )

        found = driven([asking], 4, ports=Crowded())

    assert [(one.outcome, one.errno) for one in found[:4]] == [*[("failed", errno.EADDRINUSE)] * 3, ("ok", 0)]


def test_a_lookup_is_answered() -> None:
    names = Lookups(
        name="n",
        clients=("a",),
        servers=("b",),
        arrivals=listed(0),
        request=constant(40),
        response=constant(300),
        timeout_ns=10_000 * MS,
    )

    (found,) = driven([names], 1)

    assert (found.outcome, found.tries, found.sent_bytes, found.received_bytes) == ("ok", 1, 40, 300)
