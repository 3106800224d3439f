"""A delay beyond what the stated buffer holds is a queue's on a full link, and a longer way's on an idle one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shadowlab.localize.load import with_long_queues
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.verdict import FaultDomain, Suspect

MS = 1e6
AB, BA = Direction(link="ab", source="a", target="b"), Direction(link="ab", source="b", target="a")
LINE = Impairment(rate_bps=12_000_000, queue_packets=50)
BUFFER_MS = 50.0
NETWORK = Network(
    name="line",
    nodes=(Node(id="a", kind="router"), Node(id="b", kind="router")),
    links=(Link(id="ab", a="a", b="b", forward=LINE, backward=LINE),),
)
SUSPECT = Suspect(
    directions=(AB, BA), score=9.0, posterior=1.0, loss=0.01, excess_delay_ns=0.0, paths_affected=1, paths_crossing=1,
    label="ab both ways",
)  # fmt: skip


@pytest.mark.parametrize(
    ("late_ms", "load", "fault"),
    [(3 * BUFFER_MS, 0.97, "queue"), (3 * BUFFER_MS, 0.3, ""), (0.9 * BUFFER_MS, 0.97, ""), (0.0, 0.97, "")],
)
def test_only_a_full_link_that_is_later_than_its_buffer_has_a_longer_queue(
    late_ms: float, load: float, fault: str
) -> None:
    suspect = replace(SUSPECT, excess_delay_ns=late_ms * MS)
    domain = FaultDomain(
        links=("ab",), kind="loss and delay", onset_ns=0, confidence=1.0, suspects=(suspect,), runners_up=(),
        affected_paths=("x→y",), affected_flows=(),
    )  # fmt: skip

    found = with_long_queues(domain, NETWORK, {AB: load, BA: 0.1})

    assert [one.fault for one in found.suspects] == [fault]
