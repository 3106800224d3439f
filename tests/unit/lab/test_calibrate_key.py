"""A scenario says what its telemetry tells: the demand, the links, or both."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.detect.registry import DETECTORS
from shadowlab.errors import InputError
from shadowlab.lab.inputs.gathered import Inputs, read_inputs
from shadowlab.lab.scenario import load_scenario

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
SCENARIO = """\
shadowlab: scenario/1
name: calibrated
map: {map}
duration: 30 s
baseline: {{from: 5 s, to: 25 s}}
"""
BARE = """\
shadowlab: map/1
name: bare
nodes:
  web-sea: {kind: host, address: 192.0.2.10}
  api-chi: {kind: host, address: 198.51.100.30}
links:
  wire: {ends: [web-sea, api-chi], delay: 0 ms}
"""


def read(folder: Path, words: str, map_file: Path = TOPOLOGIES / "abilene.yaml") -> Inputs:
    path = folder / "scenario.yaml"
    path.write_text(SCENARIO.format(map=map_file) + words)
    return read_inputs(load_scenario(path, known_detectors=frozenset(DETECTORS)))


def delays(inputs: Inputs) -> dict[str, int]:
    return {link.id: link.forward.delay_ns for link in inputs.network.links}


def test_links_follow_telemetry_only_if_that_is_asked_for(tmp_path: Path) -> None:
    telemetry = f"telemetry: {TOPOLOGIES / 'abilene' / 'before.ss'}\n"

    plain, both = read(tmp_path, telemetry), read(tmp_path, telemetry + "calibrate: both\n")

    assert delays(plain)["sun-den"] == 7_500_000, "the map's word"
    assert delays(both)["sun-den"] == pytest.approx(8_370_000, abs=367_000), "its fibre is longer: 2 % and 0.2 ms"
    assert [flow.id for flow in both.flows] == [flow.id for flow in plain.flows]


def test_links_alone_leave_the_demand_to_what_the_scenario_states(tmp_path: Path) -> None:
    stated = "traffic: [{transfers: uploads, from: all, to: all, arrivals: 5/s, size: 10 kB}]\n"
    telemetry = f"telemetry: {TOPOLOGIES / 'abilene' / 'before.ss'}\ncalibrate: links\n"

    found = read(tmp_path, telemetry + stated)

    assert not found.flows and [one.name for one in found.workloads] == ["uploads"]
    assert delays(found)["sun-den"] > 8_000_000


def test_a_map_without_values_takes_them_from_telemetry_by_itself(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text(BARE)

    found = read(tmp_path, f"telemetry: {TOPOLOGIES / 'abilene' / 'before.ss'}\n", tmp_path / "bare.yaml")

    assert delays(found)["wire"] == pytest.approx(19_480_000, rel=0.05), "half of 38.97 ms"


def test_nothing_to_calibrate_by_is_a_fault_of_the_file(tmp_path: Path) -> None:
    stated = "traffic: [{transfers: uploads, from: all, to: all, arrivals: 5/s, size: 10 kB}]\n"

    with pytest.raises(InputError, match="goes with `telemetry`"):
        read(tmp_path, stated + "calibrate: links\n")
