"""Bad input, as a user meets it: exit code 2, the exact words, nothing on stdout, no run folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from user_command import Ended, run, small_scenario

from shadowlab.model.kpi import KPIS
from shadowlab.topology.formats import FORMATS as MAP_FORMATS

pytestmark = pytest.mark.story

EVENT = "degrade: north-south, loss: 10 %"
CURE = "  - reroute: true\n"
FORMATS = "known are our own (YAML with `shadowlab: map/1`), " + ", ".join(one.title for one in MAP_FORMATS)
RECORD = (
    "expected dumps of `ss -tinOHm`, each after a line `# instance NAME at 2026-11-22T09:00:00Z`; record one with: "
    '(echo "# instance $(hostname) at $(date -u +%FT%TZ)"; ss -tinOHm) >> FILE'
)

JUDGED = sorted(name for name, one in KPIS.items() if one.subject in ("path", "service"))


def attempt(folder: Path, *options: str) -> Ended:
    return run("run", "incident.yaml", "--out", "out", *options, folder=folder)


def assert_refused(ended: Ended, folder: Path, *faults: str) -> None:
    assert ended.triple == (2, "", "shadowlab: " + "\n".join(faults) + "\n")
    assert not (folder / "out").exists()


def test_the_scenario_that_the_others_spoil_is_sound(tmp_path: Path) -> None:
    small_scenario(tmp_path)

    ended = run("plan", "incident.yaml", folder=tmp_path)

    assert (ended.code, ended.stderr) == (0, "")
    assert "3 flows on 3 paths" in ended.stdout


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param(
            "delay: 4 ms",
            "delay: 4 ms, metrik: 2",
            "map.yaml:20:50: unknown key `metrik` of links.north-west: did you mean `metric`?",
            id="unknown key",
        ),
        pytest.param(
            "  db: {kind: host",
            "  web: {kind: host}\n  db: {kind: host",
            "map.yaml:15:3: `web` is given twice in `nodes`; the first is at line 14",
            id="duplicate node",
        ),
        pytest.param(
            "[db, south]",
            "[db, sooth]",
            "map.yaml:23:25: link `db-south` leads to `sooth`, which is not a node of this map: did you mean `south`?",
            id="link to a missing node",
        ),
        pytest.param(
            "delay: 4 ms",
            "delay: -4 ms",
            "map.yaml:20:44: links.north-west.delay: delay must not be negative, got -4 ms",
            id="negative delay",
        ),
        pytest.param(
            "delay: 4 ms",
            "delay: 4 ms, loss: 1.01",
            "map.yaml:20:56: links.north-west.loss: loss must lie between 0 and 1 (0 % and 100 %), got 1.01",
            id="loss above 1",
        ),
        pytest.param(
            "delay: 4 ms",
            "delay: 4 ms, rate: 0 Mbit",
            "map.yaml:20:56: links.north-west.rate: rate must be above zero; leave it out for an unlimited link, "
            "or fail the link by an event",
            id="rate of zero",
        ),
        pytest.param(
            "  north-west: {ends: [north, west], delay: 4 ms}\n  south-west: {ends: [south, west], delay: 6 ms}\n",
            "",
            "map.yaml:18:1: the map is in 2 pieces: 4 nodes (such as `north`) and 2 nodes (such as `west`); "
            "join them by a link",
            id="two pieces",
        ),
    ],
)
def test_a_map_that_is_wrong_is_refused_with_the_place(tmp_path: Path, old: str, new: str, fault: str) -> None:
    small_scenario(tmp_path, ("map.yaml", old, new))

    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, fault)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        pytest.param(
            "probe_every",
            "prob_every",
            "incident.yaml:8:1: unknown key `prob_every`: did you mean `probe_every`?",
            id="unknown key",
        ),
        pytest.param(
            "duration: 40 s",
            "duration: 40",
            "incident.yaml:6:11: duration: '40' has no unit; write a duration like '3 ms'",
            id="no unit",
        ),
        pytest.param(
            "duration: 40 s",
            "duration: 25 h",
            "incident.yaml:6:11: duration: must lie between 1 s and 24 h, got 25 h",
            id="too long",
        ),
        pytest.param(
            "to: 24 s",
            "to: 14 s",
            "incident.yaml:9:11: baseline: must last at least 10 s: normal is learned from one sample a second",
            id="short baseline",
        ),
        pytest.param(
            "probe_every: 100 ms",
            "probe_every: 2 s",
            "incident.yaml:8:14: probe_every: the baseline of 19 s would hold fewer than 10 samples; "
            "at most 1.9 s would do",
            id="few samples in the baseline",
        ),
        pytest.param(
            "at: 25 s",
            "at: 20 s",
            "incident.yaml:13:10: events[1].at: lies within the baseline, where normal is learned",
            id="event in the baseline",
        ),
        pytest.param(
            "at: 25 s",
            "at: 40 s",
            "incident.yaml:13:10: events[1].at: lies outside the run of 40 s",
            id="event after the end",
        ),
        pytest.param(
            "name: triangle-incident",
            "name: ../x",
            "incident.yaml:3:7: name: '../x' cannot be a name: use 1 to 40 of the letters A-Z and a-z, digits, "
            "`.`, `_` and `-`",
            id="name that is a path",
        ),
        pytest.param(
            "map: map.yaml",
            "map: maps/west.yaml",
            "incident.yaml:4:6: map: maps/west.yaml does not exist (looked for {folder}/maps/west.yaml)",
            id="missing map",
        ),
        pytest.param(
            "telemetry: before.ss",
            "telemetry: .",
            "incident.yaml:5:12: telemetry: . is not a file (looked for {folder})",
            id="telemetry is a folder",
        ),
        pytest.param(
            CURE,
            CURE + "  - script: {name: fix, file: fix.sh}\n",
            "incident.yaml:16:31: mitigations[2].script.file: fix.sh does not exist (looked for {folder}/fix.sh)",
            id="missing script",
        ),
        pytest.param(
            CURE,
            CURE * 2,
            "incident.yaml:16:5: mitigations[2]: 'reroute' is given twice; results could not tell them apart",
            id="duplicate cure",
        ),
        pytest.param(
            EVENT,
            "degrade: north-soth, loss: 10 %",
            "incident.yaml:13:25: degrade: the map has no link 'north-soth': did you mean `north-south`?",
            id="event on an unknown link",
        ),
        pytest.param(
            EVENT,
            "fail: x",
            "incident.yaml:13:22: fail: the map has no link 'x'; there are api-west, db-south, north-south, "
            "north-west, south-west, web-north",
            id="event on a link like no other",
        ),
        pytest.param(
            EVENT,
            EVENT + ", towards: west",
            "incident.yaml:13:25: degrade north-south: 'west' is not an end of that link; they are north and south",
            id="event towards elsewhere",
        ),
        pytest.param(
            EVENT,
            "demand: 2, flows: ['web→db']",
            "incident.yaml:13:24: demand: no flow or workload is called 'web→db': did you mean `web→db:5001`?",
            id="event on an unknown flow",
        ),
        pytest.param(
            "seed: 1",
            "seed: 1\ndetectors: [zscore, crystal-ball]",
            "incident.yaml:8:21: detectors[2]: unknown detector 'crystal-ball'; known: level-shift, panel, zscore",
            id="unknown detector",
        ),
        pytest.param(
            "kpi: loss",
            "kpi: joy",
            "incident.yaml:11:5: service_levels[1]: service level delivery: 'joy' is not an indicator of a path or a "
            f"service; choose one of {', '.join(JUDGED)}",
            id="unknown indicator",
        ),
        pytest.param(
            "kpi: loss",
            "kpi: loss, paths: [web->dbb]",
            "incident.yaml:11:5: service level delivery: no flow runs on path web→dbb: did you mean `web→db`?",
            id="level on a path without a flow",
        ),
        pytest.param(
            "fault: north-south",
            "fault: north",
            "incident.yaml:16:9: expect: the map has no link 'north': did you mean `web-north`?",
            id="unknown link expected",
        ),
        pytest.param(
            "best: reroute",
            "best: pray",
            "incident.yaml:16:36: expect.best: no mitigation is called 'pray'; there are do nothing, reroute",
            id="unknown cure expected",
        ),
    ],
)
def test_a_scenario_that_is_wrong_is_refused_with_the_place(tmp_path: Path, old: str, new: str, fault: str) -> None:
    small_scenario(tmp_path, ("incident.yaml", old, new))

    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, fault.format(folder=tmp_path))


def test_all_faults_of_a_scenario_are_told_at_once(tmp_path: Path) -> None:
    worse = "degrade: north-south, loss: 2, delay: -1 ms, rate: 0 Mbit, queue: 0"
    small_scenario(tmp_path, ("incident.yaml", EVENT, worse), ("incident.yaml", "before.ss", "none.ss"))

    ended = attempt(tmp_path)

    assert_refused(
        ended,
        tmp_path,
        f"incident.yaml:5:12: telemetry: none.ss does not exist (looked for {tmp_path}/none.ss)",
        "incident.yaml:13:44: events[1].loss: loss must lie between 0 and 1 (0 % and 100 %), got 2",
        "incident.yaml:13:54: events[1].delay: delay must not be negative, got -1 ms",
        "incident.yaml:13:67: events[1].rate: rate must be above zero; leave it out for an unlimited link, "
        "or fail the link by an event",
        "incident.yaml:13:82: events[1].queue: queue must hold at least one packet, got 0",
    )


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("incident.yaml", "incident.yaml: the file is empty"),
        ("map.yaml", "map.yaml: the file is empty"),
        ("before.ss", f"before.ss: the file is empty; {RECORD}"),
    ],
)
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str, fault: str) -> None:
    small_scenario(tmp_path)
    (tmp_path / name).write_bytes(b"")

    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, fault)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("incident.yaml", ["incident.yaml: this is a binary file, not text: byte 0x7f at offset 0"]),
        ("map.yaml", ["map.yaml: this is a binary file, not text: byte 0x7f at offset 0"]),
        (
            "before.ss",
            [
                f"before.ss: no readable record of format ss; {RECORD}",
                "before.ss:1: no TCP state at the start of the line",
                "before.ss:2: no TCP state at the start of the line",
            ],
        ),
        ("fix.sh", ["fix.sh: this is a binary file, not text: byte 0x7f at offset 0"]),
    ],
)
def test_a_binary_file_is_called_binary(tmp_path: Path, name: str, faults: list[str]) -> None:
    small_scenario(tmp_path, ("incident.yaml", CURE, CURE + "  - script: {name: fix, file: fix.sh}\n"))
    (tmp_path / "fix.sh").write_text("#!/bin/sh\ntrue\n")
    (tmp_path / name).write_bytes(b"\x7fELF\x02\x01\x01\0\0\n\xff\xfe\0\x01")

    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, *faults)


def test_production_telemetry_is_read_before_the_run_not_after_it(tmp_path: Path) -> None:
    small_scenario(tmp_path, ("incident.yaml", "telemetry: before.ss", "telemetry: before.ss\nproduction_after: a.ss"))
    (tmp_path / "a.ss").write_text("")

    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, f"a.ss: the file is empty; {RECORD}")


@pytest.mark.parametrize("name", ["incident.yaml", "map.yaml"])
def test_a_yaml_bomb_does_not_go_off(tmp_path: Path, name: str) -> None:
    small_scenario(tmp_path)
    floors = ["shadowlab: map/1", "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    floors += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / name).write_text("\n".join(floors) + "\n")

    ended = run("run", "incident.yaml", "--out", "out", folder=tmp_path, memory_bytes=1 << 30)

    assert_refused(
        ended, tmp_path, f"{name}:7:45: the file holds more than 1000000 values once its aliases are expanded"
    )


def test_a_file_that_is_no_map_at_all_names_the_known_formats(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    (tmp_path / "map.yaml").write_text("Dear colleague, the map is on my desk.\n")

    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, f"map.yaml: this is not a map in a known format; {FORMATS}")


def test_a_scenario_that_is_not_there_is_said_not_to_be_there(tmp_path: Path) -> None:
    ended = attempt(tmp_path)

    assert_refused(ended, tmp_path, "incident.yaml: the scenario does not exist")


def test_a_run_over_its_budget_is_refused_if_it_must_not_be_scaled(tmp_path: Path) -> None:
    small_scenario(
        tmp_path, ("incident.yaml", "duration: 40 s", "duration: 2 h"), ("incident.yaml", "seed: 1", "wall_budget: 5 s")
    )

    ended = attempt(tmp_path, "--scale", "off")

    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("shadowlab: incident.yaml: the run would take about ")
    assert "and its wall_budget is 5 s: raise that, or ask for --scale auto to have rates" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    small_scenario(tmp_path)

    ended = attempt(tmp_path, "--kernel", "host", "--clock", "virtual")

    assert_refused(
        ended,
        tmp_path,
        "--clock virtual needs the embedded kernel: leave out --kernel host, or use --clock real",
    )


def test_a_run_folder_that_is_a_file_is_refused_and_stays(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    (tmp_path / "out").write_text("mine")

    ended = attempt(tmp_path)

    assert ended.triple == (2, "", "shadowlab: out is a file: choose another folder with --out\n")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_with_something_else_in_it_is_refused_and_stays(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")

    ended = attempt(tmp_path)

    assert ended.triple == (
        2,
        "",
        "shadowlab: out already holds thesis.tex: a run never writes over another; choose a new folder with --out, "
        "or remove this one\n",
    )
    assert [(one.name, one.read_text()) for one in (tmp_path / "out").iterdir()] == [("thesis.tex", "mine")]
