"""``shadowlab cost``: one document, figures that add up, faults in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shadowlab.cli.commands import shadowlab

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
ABILENE = str(TOPOLOGIES / "abilene.yaml")


def test_the_document_adds_up_and_says_whether_it_fits() -> None:
    told = json.loads(CliRunner().invoke(shadowlab, ["cost", ABILENE, "--json"], catch_exceptions=False).stdout)

    for one in told["kernels"].values():
        assert one["memory_bytes"] == sum(one["memory"].values())
        assert one["fits"] == (one["memory_bytes"] <= told["free_bytes"])
    assert told["run"] is None
    assert told["measured_by"] == "scripts/bench scale"


def test_telemetry_adds_the_cost_of_a_run() -> None:
    dump = str(next((TOPOLOGIES / "abilene").glob("*.ss")))

    short, long = (
        json.loads(
            CliRunner()
            .invoke(
                shadowlab,
                ["cost", ABILENE, "--json", "--telemetry", dump, "--duration", duration],
                catch_exceptions=False,
            )
            .stdout
        )["run"]
        for duration in ("60 s", "2 min")
    )

    assert short["flows"] == long["flows"] > 0
    assert long["work"]["packet_hops"] == pytest.approx(2 * short["work"]["packet_hops"])


def test_people_read_a_table() -> None:
    said = CliRunner().invoke(shadowlab, ["cost", ABILENE], catch_exceptions=False).stdout

    assert said.splitlines()[0].startswith("abilene: 25 nodes, 28 links")
    assert "memory in all" in said


@pytest.mark.parametrize("duration", ["soon", "-1 s"])
def test_a_duration_that_is_none_is_refused(duration: str) -> None:
    done = CliRunner().invoke(shadowlab, ["cost", ABILENE, "--duration", duration])

    assert done.exit_code == 2
    assert "--duration" in done.output


def test_rules_lead_telemetry_of_other_names_to_the_map(tmp_path: Path) -> None:
    dump, rules = tmp_path / "one.ss", tmp_path / "rules.yaml"
    lines = "ESTAB 0 0 10.9.9.1:20016 10.9.9.2:5004 cubic rtt:15.8/0.1 bytes_acked:{}\n"
    dump.write_text("".join(f"# instance fe-1 at {at}\n{lines.format(at * 1000)}" for at in (100, 160)))
    rules.write_text("names: [{match: fe-1, node: web-sea}]\naddresses: [{prefix: 10.9.9.2/32, node: db-nyc}]\n")

    without, ruled = (
        json.loads(CliRunner().invoke(shadowlab, ["cost", ABILENE, "--json", "--telemetry", str(dump), *more]).stdout)
        for more in ([], ["--rules", str(rules)])
    )

    assert (without["run"]["flows"], ruled["run"]["flows"]) == (0, 1)
