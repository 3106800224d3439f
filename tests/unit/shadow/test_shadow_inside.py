"""The same plan on Linux and on the fake kernel leads packets the same way, before, during and after a failure."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import shadow_inside
from shadow_example import AROUND, FABRIC, NETWORK, ROUTES

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.kernel.fake import FakeSegment
from shadowlab.model.plain import to_plain
from shadowlab.shadow.plan import build_plan, link_state_ops, route_ops

LINK = NETWORK.links_by_id["r1-r2"]
JOB = json.dumps(
    {
        "steps": [
            to_plain(ops)
            for ops in (
                build_plan(NETWORK, FABRIC, ROUTES),
                link_state_ops(FABRIC, LINK, up=False),
                route_ops(ROUTES, AROUND),
                link_state_ops(FABRIC, LINK, up=True),
                route_ops(AROUND, ROUTES),
            )
        ],
        "leaving": {
            f"{one.node}/{one.name}": f"{one.direction.link}|{one.direction.source}|{one.direction.target}"
            for one in FABRIC.interfaces
        },
        "addresses": dict(FABRIC.node_address),
        "ask": ["h1", "h2"],
    }
).encode()
EXPECTED = [
    [["h1", "r1", "r2", "h2"], "None"],
    [["h1", "r1"], "black hole at r1"],
    [["h1", "r1", "r3", "r2", "h2"], "None"],
    [["h1", "r1", "r3", "r2", "h2"], "None"],
    [["h1", "r1", "r2", "h2"], "None"],
]


def test_on_the_fake_kernel() -> None:
    with FakeSegment() as segment:
        assert shadow_inside.execute(JOB, segment) == EXPECTED


@pytest.mark.guest
def test_on_linux(tmp_path: Path) -> None:
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="shadow_inside:run",
        job=JOB,
        folder=tmp_path,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=60 * 10**9,
        wall_deadline_s=60,
    )

    assert json.loads((tmp_path / shadow_inside.READ_FILE).read_text()) == EXPECTED
