"""What of a recording a lab can be driven by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shadowlab.errors import InputError
from shadowlab.lab.live.driving.drive import recorded_flows
from shadowlab.lab.live.driving.drive_inside import Drive
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.topology.formats import load_map

SMALL = Path(__file__).parents[2] / "stories" / "small"


def test_the_connections_between_its_nodes_become_flows_at_their_measured_rates() -> None:
    found = recorded_flows(SMALL / "before.ss", load_map(SMALL / "map.yaml"))

    assert [(one.source, one.target, one.flow_class) for one in found.flows] == [
        ("api", "db", "paced"),
        ("web", "api", "paced"),
        ("web", "db", "paced"),
    ]
    assert all(one.rate_bps for one in found.flows)
    assert found.left_out == {}


def test_connections_to_elsewhere_are_counted_and_a_recording_of_nothing_else_is_refused(tmp_path: Path) -> None:
    without_api = (SMALL / "map.yaml").read_text().replace("  api: {kind: host, address: 192.0.2.30}\n", "")
    (tmp_path / "map.yaml").write_text(without_api.replace("  api-west: {ends: [api, west]}\n", ""))
    (tmp_path / "other.yaml").write_text((SMALL / "map.yaml").read_text().replace("192.0.2.", "198.51.100."))

    found = recorded_flows(SMALL / "before.ss", load_map(tmp_path / "map.yaml"))

    assert [(one.source, one.target) for one in found.flows] == [("web", "db")]
    assert sum(found.left_out.values()) == 8
    with pytest.raises(InputError, match=r"before\.ss: no connection of this telemetry can be driven .* left out: "):
        recorded_flows(SMALL / "before.ss", load_map(tmp_path / "other.yaml"))


def test_the_order_for_the_guest_comes_through_json_as_it_was() -> None:
    flows = recorded_flows(SMALL / "before.ss", load_map(SMALL / "map.yaml")).flows
    job = Drive(
        lab="0123abcd",
        ops=(),
        flows=flows,
        addresses={"web": "192.0.2.10"},
        addresses6={},
        duration_ns=10**9,
        seed=1,
    )

    assert from_plain(Drive, json.loads(json.dumps(to_plain(job)))) == job
