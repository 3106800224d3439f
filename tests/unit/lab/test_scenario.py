"""A scenario file becomes plain values; what is wrong with one is told in ``tests/stories/test_bad_input.py``."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_example import MS, S, scenario

from shadowlab.errors import InputError
from shadowlab.lab.cures.read import ScriptFile
from shadowlab.lab.events.event import Event
from shadowlab.lab.scenario import Expectation, load_scenario
from shadowlab.mitigate.allowed import Around, Upgrade
from shadowlab.model.level import ServiceLevel


def faults(folder: Path, *edits: tuple[str, str], events: tuple[str, ...] | None = None) -> list[str]:
    with pytest.raises(InputError) as caught:
        scenario(folder, *edits, events=events)
    return [str(fault).replace(f"{folder}/", "") for fault in caught.value.faults]


def test_a_scenario_is_read_into_plain_numbers(tmp_path: Path) -> None:
    found = scenario(tmp_path)

    assert (found.name, found.title, found.seed) == ("triangle-incident", "triangle-incident", 1)
    assert (found.duration_ns, found.baseline_ns, found.wall_budget_ns) == (40 * S, (5 * S, 24 * S), 120 * S)
    assert (found.sample_every_ns, found.probe_every_ns) == (S, 100 * MS)
    assert (found.probe_bytes, found.probe_dscp, found.probe_as) == (64, 0, "auto")
    assert (found.map, found.telemetry) == (tmp_path / "map.yaml", tmp_path / "before.ss")
    assert (found.production_after, found.detectors) == (None, ("panel",))
    assert found.levels == (
        ServiceLevel(name="delivery", kpi="loss", limit=0.02, paths=(), tolerated=0.1, window_ns=5 * S),
    )
    assert found.cures.mitigations == (Around(name="reroute"),)
    assert found.expect == Expectation(fault=("north-south",), best="reroute", place=f"{tmp_path}/incident.yaml:16:9")


def test_events_stand_in_the_order_of_time_each_with_its_place(tmp_path: Path) -> None:
    found = scenario(
        tmp_path,
        events=(
            "at: 30 s, demand: 2, flows: [a]",
            "at: 26 s, fail: north-west, reason: dig",
            "at: 26 s, restore: x",
        ),
    )

    place = f"{tmp_path}/incident.yaml"
    assert found.events == (
        Event(at_ns=26 * S, kind="fail", name="north-west", reason="dig", place=f"{place}:14:22"),
        Event(at_ns=26 * S, kind="restore", name="x", place=f"{place}:15:25"),
        Event(at_ns=30 * S, kind="demand", factor=2.0, flows=("a",), place=f"{place}:13:24"),
    )


def test_an_event_states_what_a_link_shall_suffer_in_its_own_units(tmp_path: Path) -> None:
    found = scenario(
        tmp_path,
        events=("at: 26 s, degrade: l, towards: n, delay: 3 ms, jitter: 50 us, loss: 0.5 %, rate: 2 Mbit, queue: 7",),
    )

    (event,) = found.events
    assert event.stated == {"delay": 3 * MS, "jitter": 50_000, "loss": 0.005, "rate": 2_000_000, "queue": 7}
    assert event.towards == "n"


def test_a_path_may_be_written_with_an_arrow_of_two_characters(tmp_path: Path) -> None:
    found = scenario(tmp_path, ("kpi: loss", "kpi: loss, paths: [web->db, api→db]"))

    assert found.levels[0].paths == ("web→db", "api→db")


def test_cures_are_named_after_what_they_do_or_by_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "fix.sh").write_text("true\n")

    found = scenario(
        tmp_path,
        (
            "  - reroute: true\n",
            "  - upgrade: {factor: 2.5}\n  - script: {name: fix it, file: fix.sh}\n  - reroute: true\n",
        ),
    )

    assert found.cures.mitigations == (
        Upgrade(name="upgrade x2.5", factor=2.5),
        ScriptFile(name="fix it", file=tmp_path / "fix.sh", timeout_ns=10 * S),
        Around(name="reroute"),
    )


def test_doing_nothing_may_be_expected_to_be_best(tmp_path: Path) -> None:
    found = scenario(tmp_path, ("best: reroute", "best: do nothing"))

    assert found.expect is not None
    assert found.expect.best == "do nothing"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            "at: 26 s, fail: l, loss: 1 %",
            "events[1].loss: goes with degrade, set or ramp, not with fail",
        ),
        ("at: 26 s, degrade: l", "events[1]: degrade needs at least one key of the link, like loss: 1 %"),
        (
            "at: 26 s, fail: l, restore: l",
            "events[1]: an event is exactly one of degrade, set, ramp, fail, restore, flap, drain, undrain, demand",
        ),
        ("at: 26 s, fail: l, towards: n", "events[1].towards: goes with degrade, set or ramp, not with fail"),
        ("at: 26 s, fail: l, flows: [x]", "events[1].flows: goes with demand, not with fail"),
        ("at: 26 s, demand: -1", "events[1].demand: must lie between 0 and 1000, got -1"),
    ],
)
def test_an_event_whose_parts_do_not_belong_together_is_refused(tmp_path: Path, event: str, words: str) -> None:
    (fault,) = faults(tmp_path, events=(event,))

    assert fault.partition(": ")[2] == words


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("from: 5 s", "from: 25 s", "baseline: must satisfy 0 <= from < to <= duration"),
        (
            "  - reroute: true\n",
            "  - {}\n",
            "mitigations[1]: a mitigation is exactly one of reroute, metric, weights, drain, upgrade, queue, "
            "congestion, limit, "
            "compute, scale_out, move, path, script, combine (doing nothing is always tried)",
        ),
        ("seed: 1", "seed: 1\ndetectors: []", "detectors: the list must have at least 1 item, not 0"),
        ("seed: 1", "seed: 1\nwall_budget: 1 s", "wall_budget: must be at least 2 s, got 1 s"),
        (
            "service_levels:\n  - {name: delivery, kpi: loss, limit: 0.02, window: 5 s, tolerated: 10 %}\n",
            "",
            "mitigations: cures are ranked by the service levels they mend: state at least one",
        ),
        ("name: delivery", "name: ''", "service_levels[1].name: the text must have at least 1 character"),
    ],
)
def test_what_could_not_be_judged_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    found = faults(tmp_path, (old, new))

    assert found[0].partition(": ")[2] == words


def test_a_map_in_place_of_a_scenario_is_called_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("shadowlab: map/1\nname: m\nnodes: {a: {kind: host}}\nlinks: {}\n")

    with pytest.raises(InputError, match="this is a map, no scenario/1 document") as caught:
        load_scenario(path, known_detectors=frozenset())

    assert len(caught.value.faults) == 1
