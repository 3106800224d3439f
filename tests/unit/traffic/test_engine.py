"""The engine over the loopback of this machine: real sockets, every node an address of 127/8."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.clock import now_ns
from shadowlab.kernel.loop import Loop
from shadowlab.model.flow import FlowSpec
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.traffic import engine as engine_module
from shadowlab.traffic.engine import Engine
from shadowlab.wire.tcp_info import decode_tcp_info

MS = 1_000_000
_RUN = itertools.count(os.getpid() * 64)


def addresses() -> dict[str, str]:
    """Fresh ones for each run: on one machine, ports of an earlier run may still be in TIME-WAIT."""
    number = next(_RUN)
    return {"a": f"127.{number >> 8 & 127}.{number & 255}.1", "b": f"127.{number >> 8 & 127}.{number & 255}.2"}


def allowed_congestion_control() -> str:
    with socket.socket() as sock:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).split(b"\0")[0].decode()


class Loopback:
    """A door whose every node is this machine."""

    def __init__(self) -> None:
        self.opened: list[socket.socket] = []

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        sock = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        self.opened.append(sock)
        return sock

    def set_sysctl(self, node: str, key: str, value: str) -> None:
        raise AssertionError(f"{key} is this machine's own")

    def read_sysctl(self, node: str, key: str) -> str:
        if key == "net/ipv4/tcp_available_congestion_control":
            return "reno of this machine\n"
        raise AssertionError(f"{key} is this machine's own")


def flow(name: str, **others: Any) -> FlowSpec:
    fields = {
        "source": "a",
        "target": "b",
        "flow_class": "greedy",
        "tcp": TcpOptions(congestion_control=allowed_congestion_control()),
    }
    return FlowSpec(id=name, **(fields | others))  # type: ignore[arg-type]


def driven(flows: Sequence[FlowSpec], milliseconds: int, door: Loopback | None = None) -> Engine:
    """The engine after so many milliseconds, closed."""
    with Loop(lazy_every_ns=5 * MS) as loop:
        engine = Engine(loop=loop, segment=door or Loopback(), flows=flows, addresses=addresses(), seed=1)
        with engine:
            start_ns = now_ns()
            engine.start(start_ns)
            loop.run_until(start_ns + milliseconds * MS)
            engine.ends = [drive.take_ends() for drive in engine.drives]  # type: ignore[attr-defined]
            engine.samples = [drive.sample() for drive in engine.drives]  # type: ignore[attr-defined]
    return engine


def samples(engine: Engine) -> list[Any]:
    return engine.samples  # type: ignore[attr-defined, no-any-return]


def test_a_finite_flow_delivers_every_byte_and_closes() -> None:
    engine = driven([flow("f", size_bytes=3_000_000)], 300)

    one = engine.summary()["f"]
    assert (one["state"], one["written_bytes"], one["received_bytes"]) == ("closed", 3_000_000, 3_000_000)
    assert samples(engine)[0].closed
    assert len(samples(engine)[0].tcp_info) >= 160
    ((end,),) = engine.ends  # type: ignore[attr-defined]
    assert (end.attempt, end.failed, end.tcp_info) == (0, False, samples(engine)[0].tcp_info)


def test_a_paced_flow_delivers_its_rate() -> None:
    engine = driven([flow("f", flow_class="paced", rate_bps=8_000_000)], 530)

    written = engine.summary()["f"]["written_bytes"]
    assert isinstance(written, int)
    assert 100_000 <= written <= 530_000  # never faster; how much slower is the machine's affair (exactly: tests/guest)


def test_a_receiver_limited_flow_moves_and_keeps_its_window() -> None:
    engine = driven(
        [
            flow(
                "f",
                flow_class="receiver-limited",
                tcp=TcpOptions(congestion_control=allowed_congestion_control(), window_bytes=20_000),
            )
        ],
        100,
    )

    assert int(engine.summary()["f"]["received_bytes"]) > 100_000


def test_a_flow_that_has_not_begun_is_idle() -> None:
    engine = driven([flow("f", start_ns=10_000 * MS)], 20)

    assert samples(engine)[0].idle
    assert samples(engine)[0].tcp_info == b""


def test_a_refused_connection_is_counted_and_tried_again_never_raised() -> None:
    with Loop() as loop:
        engine = Engine(loop=loop, segment=Loopback(), flows=[flow("f")], addresses=addresses(), seed=1)
        with engine:
            drive = engine.drives[0]
            listener = drive._listener
            assert listener is not None
            loop.remove(listener.fileno())
            listener.close()
            drive._listener = None
            start_ns = now_ns()
            engine.start(start_ns)
            loop.run_until(start_ns + 30 * MS)

            assert drive.sample().failed
            assert engine.summary()["f"]["last_failure"] == "ECONNREFUSED"
            loop.run_until(start_ns + 1_800 * MS)  # a second later, and something for a busy machine
            assert engine.summary()["f"]["failures"] == 2


def test_ports_follow_from_the_order_of_the_flows() -> None:
    flows = [flow("one"), flow("two"), flow("back", source="b", target="a")]

    with Loop() as loop:
        engine = Engine(loop=loop, segment=Loopback(), flows=flows, addresses=addresses(), seed=1)

    assert [(one._source[1], one._target[1]) for one in engine.drives] == [(20000, 5001), (20001, 5002), (20000, 5001)]


def test_ticks_are_spread_by_the_seed() -> None:
    flows = [flow(f"f{number}", flow_class="paced", rate_bps=1_000) for number in range(20)]

    def phases(seed: int) -> list[int]:
        with Loop() as loop:
            made = Engine(loop=loop, segment=Loopback(), flows=flows, addresses=addresses(), seed=seed)
        return [drive.session._phase_ns for drive in made.drives]

    assert phases(1) == phases(1) != phases(2)
    assert len(set(phases(1))) > 8


def test_an_unknown_congestion_control_is_refused_before_anything_runs_and_nothing_stays_open() -> None:
    door = Loopback()

    with pytest.raises(KernelRefusedError, match="flow f: set congestion control nonesuch on a"):
        driven([flow("f", tcp=TcpOptions(congestion_control="nonesuch"))], 5, door)

    assert all(sock.fileno() == -1 for sock in door.opened)


def test_too_many_flows_at_one_node_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "FLOWS_PER_NODE", 2)

    with Loop() as loop, pytest.raises(ShadowFailedError, match="flow f2: more than 2 flows"):
        Engine(
            loop=loop,
            segment=Loopback(),
            flows=[flow(f"f{number}") for number in range(3)],
            addresses=addresses(),
            seed=1,
        )


def test_every_socket_is_closed_at_the_end() -> None:
    door = Loopback()

    driven([flow("f"), flow("g", flow_class="paced", rate_bps=100_000)], 30, door)

    assert door.opened
    assert all(sock.fileno() == -1 for sock in door.opened)


def test_a_connection_that_died_is_opened_again_from_the_same_port() -> None:
    with Loop(lazy_every_ns=5 * MS) as loop:
        engine = Engine(loop=loop, segment=Loopback(), flows=[flow("f")], addresses=addresses(), seed=1)
        with engine:
            drive = engine.drives[0]
            start_ns = now_ns()
            engine.start(start_ns)
            loop.run_until(start_ns + 50 * MS)
            for receiver in drive._receivers.values():
                receiver.shutdown(socket.SHUT_RDWR)
            loop.run_until(start_ns + 100 * MS)
            assert drive.session.state == "waiting"
            before = drive.received_bytes
            (end,) = drive.take_ends()
            assert (end.attempt, end.failed, drive.take_ends()) == (0, True, ())
            assert (decode_tcp_info(end.tcp_info).bytes_acked or 0) > 0
            assert start_ns < end.at_ns <= loop.now_ns
            loop.run_until(start_ns + 1_300 * MS)

            assert drive.session.state == "open"
            assert drive.received_bytes > before
            assert drive._sender is not None
            assert drive._sender.getsockname()[1] == drive.ports[0] == 20000
