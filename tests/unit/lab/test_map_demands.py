"""The demands of a map as the traffic of a scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_example import prepared, scenario

from shadowlab.errors import InputError
from shadowlab.lab.inputs.map_demands import NO_INSTANCE, NOTHING, WITHIN, map_traffic
from shadowlab.model.network import Demand, Demands, Link, Network, Node


def network(*demands: tuple[str, str, float], unit: str = "mbps", rate_scale: float = 1.0) -> Network:
    return Network(
        name="n",
        nodes=tuple(
            Node(id=name, kind="host" if name[0] == "h" else "router") for name in ("r1", "r2", "r3", "h1", "h2", "h3")
        ),
        links=tuple(
            Link(id=f"{a}-{b}", a=a, b=b)
            for a, b in (("r1", "r2"), ("r2", "r3"), ("h2", "r1"), ("h1", "r1"), ("h3", "r2"))
        ),
        demands=Demands(unit=unit, between=tuple(Demand(source=a, target=b, value=value) for a, b, value in demands)),
        rate_scale=rate_scale,
    )


def test_a_routers_demand_is_that_of_its_first_instance() -> None:
    found = map_traffic(network(("r1", "r2", 3.0), ("h2", "h3", 0.5)), unit="", scale=2)

    assert [(one.id, one.flow_class, one.rate_bps) for one in found.flows] == [
        ("h1→h3:demand", "paced", 6_000_000),
        ("h2→h3:demand", "paced", 1_000_000),
    ]
    assert found.flows[0].evidence == "6 Mbit/s: the map's demand of 3 mbps from r1 to r2, times 2"


def test_demands_are_at_full_size_and_rates_at_the_maps() -> None:
    (flow,) = map_traffic(network(("h1", "h3", 3.0), rate_scale=1000), unit="mbps").flows

    assert flow.rate_bps == 3000


def test_what_carries_no_flow_is_counted_with_its_reason() -> None:
    some = network(("r1", "r3", 1), ("r1", "h1", 1), ("h1", "h3", 1e-9), ("h1", "r2", 1), ("r1", "h3", 1))

    found = map_traffic(some, unit="")

    assert found.left_out == {NO_INSTANCE: 1, WITHIN: 1, NOTHING: 1}
    assert [one.id for one in found.flows] == ["h1→h3:demand", "h1→h3:demand of r1→h3"]


@pytest.mark.parametrize(
    ("of_map", "of_scenario", "words"),
    [("", "", "does not say what its values are in"), ("mbps", "gbps", "it cannot be gbps")],
)
def test_the_unit_is_known_and_one(of_map: str, of_scenario: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        map_traffic(network(("h1", "h3", 1), unit=of_map), unit=of_scenario)


DEMANDS = "demands: {between: {api: {db: 2}, db: {web: 1}}}\n"


def with_demands(folder: Path) -> None:
    scenario(folder)
    (folder / "map.yaml").write_text((folder / "map.yaml").read_text() + DEMANDS)


def test_a_scenario_may_do_without_telemetry(tmp_path: Path) -> None:
    with_demands(tmp_path)

    found = prepared(tmp_path, ("telemetry: before.ss", "demands: {unit: kbps, scale: 3}"))

    assert [(one.id, one.rate_bps) for one in found.flows] == [("api→db:demand", 6000), ("db→web:demand", 3000)]
    assert found.telemetry.records == 0


def test_demands_come_on_top_of_telemetry(tmp_path: Path) -> None:
    with_demands(tmp_path)

    found = prepared(tmp_path, ("telemetry: before.ss", "telemetry: before.ss\ndemands: {unit: kbps}"))

    assert {"api→db:5002", "api→db:demand"} <= {one.id for one in found.flows}


def test_a_scenario_without_any_traffic_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names neither `telemetry` nor `traffic` nor the `demands`"):
        scenario(tmp_path, ("telemetry: before.ss\n", ""))
    with pytest.raises(InputError, match=r"incident.yaml:\d+:\d+: demands: this map states none"):
        prepared(
            tmp_path / ".",
            ("duration: 40 s", "duration: 40 s\ndemands: {unit: mbps}"),
            ("shadowlab: scenario/1", "shadowlab: scenario/1\ntelemetry: before.ss"),
        )


def test_a_scenario_reads_its_map_with_options(tmp_path: Path) -> None:
    scenario(tmp_path)
    (tmp_path / "map.csv").write_text("source,target,rate,delay\nA,B,1 Gbit,1 ms\nC,D,1 Gbit,1 ms\n")
    edit = (
        "map: map.yaml",
        "map: map.csv\nmap_options: {largest_component: true, rate_scale: 10, hosts_per_router: 2}",
    )

    with pytest.raises(InputError, match="no connection of this telemetry"):
        prepared(tmp_path, edit)  # the map is read, and none of its four instances is in the telemetry


@pytest.mark.parametrize(
    ("options", "words"),
    [("{format: visio}", "map_options.format: 'visio' is none of"), ("{hosts_per_router: 101}", "between 0 and 100")],
)
def test_wrong_options_of_a_map_are_told(tmp_path: Path, options: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        scenario(tmp_path, ("map: map.yaml", f"map: map.yaml\nmap_options: {options}"))
