"""The pure parts of the demo's stand-in for production: its map, its scenario, its windows."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from shadowlab.lab.cures.read import ScriptFile
from shadowlab.lab.scenario import load_scenario
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.writing import open_writer
from shadowlab.topology.formats import load_map

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
import demo_production  # noqa: E402

SMALL = ROOT / "tests" / "stories" / "small"
SCENARIO = yaml.safe_load(demo_production.SCENARIO.read_text())


def test_production_is_the_map_with_a_collector_that_all_instances_reach(tmp_path: Path) -> None:
    (tmp_path / "production.yaml").write_text(yaml.safe_dump(demo_production.production_map(SCENARIO)))

    production, map_ = load_map(tmp_path / "production.yaml"), load_map(ROOT / "topologies" / "abilene.yaml")

    assert {one.id for one in production.nodes} - {one.id for one in map_.nodes} == {"collector"}
    assert set(map_.links) < set(production.links)
    assert [(one.a, one.b) for one in set(production.links) - set(map_.links)] == [("collector", "chi")]


def test_the_fault_is_the_one_that_the_scenario_expects_at_its_worst() -> None:
    assert demo_production.fault(SCENARIO) == (SCENARIO["expect"]["fault"], "3 %")


def test_the_shadows_scenario_is_the_shipped_one_with_other_telemetry(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(demo_production.shadow_scenario(SCENARIO)))
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "web-sea.jsonl").touch()

    shipped, made = (
        load_scenario(one, known_detectors=frozenset({"zscore", "panel"}))
        for one in (demo_production.SCENARIO, tmp_path / "scenario.yaml")
    )

    assert (made.telemetry, made.production_after) == (tmp_path / "before", tmp_path / "after")
    assert [replace(one, place="") for one in made.events] == [replace(one, place="") for one in shipped.events]
    assert (made.seed, made.levels, made.duration_ns) == (shipped.seed, shipped.levels, shipped.duration_ns)
    assert [one.name for one in made.cures.mitigations] == [one.name for one in shipped.cures.mitigations]
    assert all(one.file.exists() for one in made.cures.mitigations if isinstance(one, ScriptFile))


def test_a_window_keeps_what_lies_in_it_and_a_file_for_each_instance(tmp_path: Path) -> None:
    replica = tmp_path / "replica"
    with open_telemetry(SMALL / "before.ss") as reading:
        records = list(reading.records)
    for name in ("web", "db"):
        (replica / name).mkdir(parents=True)
        with open_writer(replica / name / "000001.jsonl", "jsonl") as writer:
            for record in records:
                if record.instance == name:
                    writer.write(record)
    moments = sorted({record.at_ns for record in records})

    both = demo_production.cut(replica, tmp_path / "both", (moments[0], moments[-1]))
    first = demo_production.cut(replica, tmp_path / "first", (moments[0], moments[-1] - 1))

    assert len(moments) == 2
    assert (both, first) == (8, 4)
    assert sorted(one.name for one in (tmp_path / "first").iterdir()) == ["db.jsonl", "web.jsonl"]
    with open_telemetry(tmp_path / "first") as reading:
        assert {one.at_ns for one in reading.records} == {moments[0]}


def test_a_program_that_ended_is_told_with_its_last_words() -> None:
    class Node:
        def run(self, words: tuple[str, ...], *, timeout_s: float) -> demo_production.Finished:
            return demo_production.Finished(
                argv=words, node="web", exit_code=2, stdout=b"", stderr=b"shadowlab: no token\n"
            )

    program = demo_production.Program({"web": Node()}, "web", "agent")
    program.start()
    program.join()

    with pytest.raises(demo_production.ShadowFailedError, match=r"in web ended early: exit code 2: .*token"):
        program.need_alive()
