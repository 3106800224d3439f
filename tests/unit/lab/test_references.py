"""A scenario's names are held against the map and the flows; every one that is not there is told, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_example import prepared

from shadowlab.errors import InputError


def test_all_names_that_do_not_exist_are_told_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        prepared(
            tmp_path,
            ("kpi: loss", "kpi: loss, paths: [db->web]"),
            ("fault: north-south", "fault: south-north"),
            events=(
                "at: 25 s, fail: north-soth",
                "at: 26 s, degrade: north-west, loss: 1, towards: api",
                "at: 27 s, demand: 2, flows: ['web→db:5002', 'api→db:5002']",
            ),
        )

    found = [str(fault).removeprefix(f"{tmp_path}/incident.yaml:") for fault in caught.value.faults]
    assert [one.partition(": ")[2] for one in found] == [
        "service level delivery: no flow runs on path db→web; there are api→db, web→api, web→db",
        "fail: the map has no link 'north-soth': did you mean `north-south`?",
        "degrade north-west: 'api' is not an end of that link; they are north and west",
        "demand: no flow or workload is called 'web→db:5002': did you mean `web→db:5001`?",
        "expect: the map has no link 'south-north': did you mean `south-west`?",
    ]
    assert [one.partition(": ")[0] for one in found] == ["11:5", "13:22", "14:25", "15:24", "18:9"]


def test_a_sound_scenario_passes(tmp_path: Path) -> None:
    found = prepared(tmp_path, ("kpi: loss", "kpi: loss, paths: [web->db]"))

    assert [level.paths for level in found.scenario.levels] == [("web→db",)]


def test_a_level_of_services_needs_exchanges_and_services_that_are_there(tmp_path: Path) -> None:
    level = ("service_levels:\n", "service_levels:\n  - {name: fast, kpi: failures, limit: 0.1, services: [shpo]}\n")
    shop = (
        "mitigations:",
        "traffic:\n  - {requests: buy, service: shop, clients: web, servers: db, request: 300 B, response: 2 kB,"
        " think: 1 s}\nmitigations:",
    )

    for name in ("none", "other"):
        (tmp_path / name).mkdir()
    with pytest.raises(InputError) as none:
        prepared(tmp_path / "none", level)
    with pytest.raises(InputError) as other:
        prepared(tmp_path / "other", level, shop)

    assert "`traffic` has no exchanges" in str(none.value)
    assert "no workload is of a service 'shpo': did you mean `shop`?" in str(other.value)
