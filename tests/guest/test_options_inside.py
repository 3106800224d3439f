"""Every option of a flow in the embedded kernel: what is set holds, and does what it is meant to.

One boot, one network without a bottleneck, so that flows do not meet: 40 ms there and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
from test_traffic_inside import SECOND, THERE, ran, two_hosts

from shadowlab.guest.cache import BuiltKernel
from shadowlab.model.flow import Dialogue, FlowSpec, Phase
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.monitor.raw_records import read_tcp
from shadowlab.store.reader import read_records
from shadowlab.wire.tcp_info import TcpInfo, decode_tcp_info

pytestmark = pytest.mark.guest

RTT_S = 0.040
BUFFER, LARGE_BUFFER = 65_536, 500_000
TIMESTAMPS, SACK, WINDOW_SCALING, ECN = 1, 2, 4, 8


def flow(name: str, flow_class: Any, *, tcp: dict[str, Any] | None = None, **others: Any) -> FlowSpec:
    return FlowSpec(id=name, source="a", target="b", flow_class=flow_class, tcp=TcpOptions(**(tcp or {})), **others)


def talking(name: str, asker: Any, there: int, back: int, think_ms: int, **others: Any) -> FlowSpec:
    sizes = {"there": constant(there), "back": constant(back), "think_ns": constant(think_ms * 1e6)}
    return flow(name, "request-response", rate_bps=1, dialogue=Dialogue(asker=asker, **sizes), **others)


FLOWS = (
    flow(
        "capped",
        "greedy",
        tcp={"pacing_bps": 2_000_000, "mss": 1000, "no_delay": True, "keepalive_ns": 30 * SECOND, "dscp": 46},
    ),
    flow("held", "sender-limited", tcp={"send_buffer_bytes": BUFFER}),
    flow("held more", "sender-limited", tcp={"send_buffer_bytes": LARGE_BUFFER}),
    flow("bare", "greedy", tcp={"timestamps": False, "sack": False, "window_scaling": False, "mss": 1460}),
    flow("ecn", "paced", rate_bps=1_000_000, tcp={"ecn": True}),
    flow("dctcp", "paced", rate_bps=1_000_000, tcp={"congestion_control": "dctcp", "ecn": True}),
    flow("plain", "paced", rate_bps=1_000_000, tcp={"ecn": False, "timestamps": True, "sack": True}),
    flow("slow reader", "receiver-limited", rate_bps=2_000_000, tcp={"window_bytes": BUFFER}),
    flow(
        "on and off",
        "paced",
        rate_bps=2_000_000,
        pattern=(Phase(duration_ns=SECOND, rate_bps=4_000_000), Phase(duration_ns=SECOND, rate_bps=0)),
    ),
    flow("comes and goes", "greedy", size_bytes=1_000_000, start_ns=3 * SECOND),
    flow("wide", "paced", rate_bps=100_000, tcp={"initial_cwnd_segments": 20, "initial_rwnd_segments": 12}),
    flow("wide, too", "paced", rate_bps=100_000, tcp={"initial_cwnd_segments": 20, "initial_rwnd_segments": 12}),
    flow("narrow", "paced", rate_bps=100_000, tcp={"initial_cwnd_segments": 4}),
    flow("jumbo", "paced", rate_bps=100_000, tcp={"mss": 8900}),
    talking("asks and waits", "target", 10_000, 200, 60),
    talking("sends and waits", "source", 200_000, 100, 0),
    talking("ends in time", "target", 10_000, 200, 60, size_bytes=105_000),
)


class Ran:
    """What is known of each flow after 8 seconds."""

    def __init__(self, folder: FilePath) -> None:
        raw = read_tcp(folder, len(FLOWS))
        self._mbps = np.diff(raw["bytes_acked"].astype(float), axis=0) * 8 / 1e6
        held = read_records(folder / "tcp.blocks").strings
        assert held is not None
        self._infos = [decode_tcp_info(held[(len(raw) - 1) * len(FLOWS) + one]) for one in range(len(FLOWS))]
        lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        self.ends: Mapping[str, Any] = {one["operation"]: one["outcome"] for one in lines if one["reason"] == "end"}

    def mbps(self, name: str) -> Any:
        return self._mbps[:, self._index(name)]

    def info(self, name: str) -> TcpInfo:
        return self._infos[self._index(name)]

    def options(self, name: str) -> int:
        return self.info(name).options or 0

    @staticmethod
    def _index(name: str) -> int:
        return [one.id for one in FLOWS].index(name)


@pytest.fixture(scope="module")
def outcome(built_kernel: BuiltKernel, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("options")
    ran(built_kernel, folder, two_hosts(), paths=(THERE,), flows=FLOWS, seconds=8)
    return Ran(folder)


def test_a_pacing_cap_and_an_mss_hold(outcome: Ran) -> None:
    assert outcome.mbps("capped")[2:].mean() == pytest.approx(2.0, rel=0.01)
    assert outcome.info("capped").snd_mss == 1000


@pytest.mark.parametrize(("name", "size"), [("held", BUFFER), ("held more", LARGE_BUFFER)])
def test_a_sender_limited_flow_moves_one_buffer_per_round_trip(outcome: Ran, name: str, size: int) -> None:
    assert outcome.mbps(name)[2:].mean() == pytest.approx(size * 8 / RTT_S / 1e6, rel=0.03)


def test_what_a_flow_does_not_offer_is_not_agreed_on_and_its_neighbours_keep_theirs(outcome: Ran) -> None:
    assert outcome.options("bare") == 0
    assert outcome.info("bare").snd_mss == 1460
    assert outcome.mbps("bare")[2:].mean() == pytest.approx(65_535 * 8 / RTT_S / 1e6, rel=0.03)
    assert outcome.options("plain") == outcome.options("held") == TIMESTAMPS | SACK | WINDOW_SCALING


def test_ecn_is_agreed_on_by_the_flows_that_wish_it_a_dctcp_one_among_them(outcome: Ran) -> None:
    assert [outcome.options(name) & ECN for name in ("ecn", "dctcp", "plain", "held")] == [ECN, ECN, 0, 0]


def test_a_slow_reader_closes_the_window(outcome: Ran) -> None:
    assert outcome.mbps("slow reader")[2:].mean() == pytest.approx(2.0, rel=0.03)
    assert (outcome.info("slow reader").rwnd_limited or 0) > 6_000_000  # of 8 seconds


def test_a_pattern_is_followed_and_repeated(outcome: Ran) -> None:
    on, off = outcome.mbps("on and off")[0::2], outcome.mbps("on and off")[1::2]

    assert on.mean() == pytest.approx(4.0, rel=0.08)  # its last bytes are acknowledged in the next second
    assert off.mean() < 0.3
    assert (on + off).mean() / 2 == pytest.approx(2.0, rel=0.02)


def test_a_flow_begins_at_its_time_and_ends_with_its_last_byte(outcome: Ran) -> None:
    assert outcome.mbps("comes and goes")[:3].sum() == 0
    assert outcome.ends["comes and goes"]["state"] == "closed"
    assert outcome.ends["comes and goes"]["received_bytes"] == 1_000_000


def test_what_the_kernel_holds_otherwise_is_told_and_nothing_else(outcome: Ran) -> None:
    """Of two flows that wish the same initial windows of their route nothing is told: they have them."""
    assert {name: one["differs"] for name, one in outcome.ends.items() if one.get("differs")} == {
        "jumbo": "mss 8900, holds 1448",
        "narrow": "initial_cwnd_segments 4, holds 20",
    }


def test_an_end_that_asks_waits_for_the_answer_and_thinks(outcome: Ran) -> None:
    """A question takes 20 ms there, its answer fits the initial window and takes 20 ms back, then 60 ms pass."""
    assert outcome.mbps("asks and waits")[1:].mean() == pytest.approx(0.8, rel=0.001)
    assert outcome.ends["asks and waits"]["received_bytes"] == pytest.approx(8 * 10 * 10_000, rel=0.02)


def test_a_long_message_takes_its_slow_start_and_the_next_one_waits_for_the_answer(outcome: Ran) -> None:
    mbps = outcome.mbps("sends and waits")

    assert mbps[1:].min() > 30
    assert mbps[3:].mean() < 200_000 * 8 / RTT_S / 1e6 * 1.01  # one message per round trip at best


def test_a_dialogue_ends_with_its_last_byte(outcome: Ran) -> None:
    assert outcome.ends["ends in time"]["state"] == "closed"
    assert outcome.ends["ends in time"]["received_bytes"] == 105_000
