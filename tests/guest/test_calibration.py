"""A hidden network on the real kernel is found again from its TCP records, its bottleneck refined by a shadow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shadowlab.guest.cache import BuiltKernel
from shadowlab.lab.calibration.calibrate import calibrate
from shadowlab.lab.calibration.refine import Refine
from shadowlab.lab.calibration.shadow_run import run_shadows, shadow_job
from shadowlab.lab.execute import Place
from shadowlab.model.flow import FlowSpec
from shadowlab.model.impairment import Impairment
from shadowlab.telemetry.attach import Attachment
from tests.unit.calibrate.production import bare, direction_of, star_of_two

pytestmark = [pytest.mark.guest, pytest.mark.slow]

MS = 10**6
SECOND_NS = 10**9
TRUNK = Impairment(delay_ns=5 * MS, rate_bps=20_000_000, queue_packets=60)
PACED = [(0, 1), (1, 2), (2, 3), (0, 3), (4, 5), (5, 6), (6, 7), (4, 7), (0, 5), (3, 4), (1, 3), (5, 7), (7, 2), (3, 7)]
LOSS = 0.005


def flow(source: int, target: int, rate: int | None, start_ns: int = 0) -> FlowSpec:
    return FlowSpec(
        id=f"{source}-{target}-{rate}",
        source=f"h{source}",
        target=f"h{target}",
        flow_class="paced" if rate else "greedy",
        rate_bps=rate,
        start_ns=start_ns,
    )


def test_a_hidden_network_is_found_again(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    network = star_of_two(hosts=8, trunk=TRUNK, access_delay_ns=[MS * (one + 1) // 4 for one in range(8)])
    lossy = network.links_by_id["h7-right"]
    network = network.with_links(replace(lossy, backward=replace(lossy.backward, loss=LOSS)))
    flows = [flow(one, one + 4, None, 2 * one * SECOND_NS) for one in range(3)]
    flows += [flow(source, target, 500_000) for source, target in PACED]
    place = Place(kind="embedded", clock="virtual", kernel=built_kernel)
    job = shadow_job(network, flows, duration_ns=30 * SECOND_NS, seed=3)
    (production,) = run_shadows(
        place,
        [("production", job)],
        tmp_path / "production",
        expected_wall_s=60,
        on_progress=lambda name, share: None,
        interrupted=lambda: False,
    )
    telemetry = Attachment(connections=tuple(production), records=0, attached=0, left_out=())

    found = calibrate(bare(network), telemetry, refine=Refine(place=place, folder=tmp_path / "shadows"))

    for one in found.links:
        truth = network.impairment(one.direction)
        assert one.delay_ns.standing == "measured"
        assert one.delay_ns.value == pytest.approx(truth.delay_ns, rel=0.02, abs=0.2 * MS)
    trunk = found.by_direction[direction_of(found.map, "trunk:left>right")]
    assert trunk.rate_bps.value == pytest.approx(20e6, rel=0.01)
    assert trunk.queue_packets.value == pytest.approx(60, rel=0.15)
    assert found.refinement[-1].misfit < found.refinement[0].misfit
    assert {one.direction for one in found.links if one.congested} == {trunk.direction}
    (spoilt,) = [one for one in found.links if one.loss.standing == "measured"]
    assert str(spoilt.direction) == "right>h7" or "right>h7" in str(spoilt.direction)
    assert LOSS / 1.5 < (spoilt.loss.value or 0) < LOSS * 1.5
