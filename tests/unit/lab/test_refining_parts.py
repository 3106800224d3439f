"""What is run to refine a bottleneck is a part of the map, and parts need not hang together."""

from __future__ import annotations

from shadowlab.lab.calibration.shadow_run import shadow_job
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Link, Network, Node


def test_flows_that_share_no_link_run_side_by_side() -> None:
    network = Network(
        name="parts",
        nodes=tuple(Node(id=one, kind="host") for one in "abcd"),
        links=(Link(id="ab", a="a", b="b"), Link(id="cd", a="c", b="d")),
    )
    flows = [FlowSpec(id=f"{a}{b}", source=a, target=b, flow_class="greedy") for a, b in ("ab", "cd")]

    job = shadow_job(network, flows, duration_ns=10**9, seed=1)

    assert [flow.id for flow in job.flows] == ["ab", "cd"]
