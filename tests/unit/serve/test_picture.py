"""A run and a watch are shown by the same documents, and nothing is shown that is not known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shadowlab.lab.recorded.watched import WATCHED_FILE
from shadowlab.report.layout import place_nodes
from shadowlab.serve.picture.library import Library
from shadowlab.serve.picture.run import Run
from shadowlab.serve.picture.source import SeriesWanted, UnknownError
from shadowlab.serve.picture.watched import Watched
from shadowlab.store.folder import MARK

from .folders import DAY_S, PATH, a_run, a_watch


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run("one", a_run(tmp_path_factory.mktemp("serve") / "run"), place_nodes)


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    return Watched("two", a_watch(tmp_path_factory.mktemp("serve") / "watch"), place_nodes)


def test_a_runs_guilty_direction_is_the_one_that_is_marked(run: Run) -> None:
    directions = {one.id: one for link in run.map().links for one in link.directions}

    assert [name for name, one in directions.items() if one.standing == "suspect"] == ["chicago>indianapolis"]
    assert directions["chicago>indianapolis"].loss == pytest.approx(0.06)
    assert directions["chicago>newyork"].standing == "alternative"
    assert directions["chicago>indianapolis"].affected_paths > directions["indianapolis>chicago"].affected_paths


def test_a_runs_paths_come_worst_first_and_say_why(run: Run) -> None:
    rows = run.paths().paths

    assert rows[0].state == "broken" and rows[0].affected and rows[0].broken_levels
    assert rows[-1].state in ("good", "off") and not rows[-1].broken_levels
    assert rows[0].route[0] == rows[0].source and rows[0].route[-1] == rows[0].target


def test_a_runs_incident_has_its_cures_beside_doing_nothing(run: Run) -> None:
    incident = run.incident(run.incidents().incidents[0].id)

    assert incident.domain is not None and incident.domain.directions == ["chicago>indianapolis"]
    nothing = next(one for one in incident.cures if one.nothing)
    assert all(one.before_share == nothing.broken_share for one in incident.cures)
    assert [one.at_s for one in incident.timeline] == sorted(one.at_s for one in incident.timeline)


def test_a_series_of_a_run_stands_beside_its_baseline_and_is_cut_to_size(run: Run) -> None:
    path = run.paths().paths[0].id

    whole = run.series(SeriesWanted(kind="path", subject=path, kpis=("loss", "latency_ms")))
    part = run.series(SeriesWanted(kind="path", subject=path, kpis=("loss",), points=30))

    assert whole.step_s == 1.0 and len(whole.series[0].shadow) == len(whole.times_s) == 300
    assert whole.series[1].baseline is not None and whole.series[1].baseline.from_s == 20
    assert part.step_s == 10.0 and len(part.times_s) == 30
    with pytest.raises(UnknownError, match="no indicator"):
        run.series(SeriesWanted(kind="path", subject=path, kpis=("los",)))
    with pytest.raises(UnknownError, match="no path"):
        run.series(SeriesWanted(kind="path", subject="*", kpis=("loss",)))


def test_a_run_that_goes_on_or_was_killed_has_a_map_and_no_verdict(tmp_path: Path) -> None:
    folder = a_run(tmp_path / "run")
    finished = Run("x", folder, place_nodes).map()
    (folder / MARK).write_text("")

    run = Run("x", folder, place_nodes)

    assert run.head().state == "unfinished" and run.head().holds is None
    assert {one.id for one in run.map().nodes} == {one.id for one in finished.nodes}
    assert {way.id for one in run.map().links for way in one.directions} == {
        way.id for one in finished.links for way in one.directions
    }
    assert {way.latency_ms for one in run.map().links for way in one.directions} == {None}
    assert {one.state for one in run.paths().paths} == {"unknown"}
    assert run.incidents().incidents == []


def test_a_watch_shows_its_newest_cycle_and_the_open_incident(watch: Watched) -> None:
    head, overview = watch.head(), watch.overview()

    assert (head.state, head.headline, head.severity, head.open_incidents) == ("stopped", "cycle 2", "critical", 1)
    assert overview.now is not None and overview.now.stage == "shadow"
    link = next(one for one in watch.map().links if one.id == "denver-kansascity")
    assert link.suspect and link.directions[0].standing == "suspect" and link.directions[0].utilisation_forecast == 0.9
    assert [one.affected for one in watch.paths().paths] == [True]


def test_a_watchs_series_are_its_cycles(watch: Watched) -> None:
    found = watch.series(SeriesWanted(kind="path", subject=PATH, kpis=("srtt_ms",)))

    assert found.times_s == [DAY_S + 60, DAY_S + 120]
    assert found.series[0].shadow == [30.0, 30.0]
    assert found.series[0].production is not None and found.series[0].production.values == [31.0, 32.0]
    assert found.series[0].baseline is not None and found.series[0].baseline.mean == 29.0
    link = watch.series(SeriesWanted(kind="link", subject="denver>kansascity", kpis=("link_utilisation",)))
    assert link.series[0].shadow == pytest.approx([0.3, 0.6])
    with pytest.raises(UnknownError):
        watch.series(SeriesWanted(kind="path", subject=PATH, kpis=("nothing",)))


def test_a_forecast_grows_from_todays_demand(watch: Watched) -> None:
    forecast = watch.forecast().forecast

    assert forecast is not None
    assert (forecast.ahead[0].low, forecast.ahead[0].high) == (10.0, 10.0)
    assert (forecast.ahead[1].low, forecast.ahead[1].high) == (9.0, 15.0)
    assert forecast.ahead[1].at_s - forecast.ahead[0].at_s == 3600


def test_what_is_kept_is_read_again_when_the_folder_changed(tmp_path: Path) -> None:
    folder = a_watch(tmp_path / "watch")
    watch = Watched("x", folder, place_nodes)
    before = watch.head().revision

    state = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps(state | {"open_incidents": []}))
    (folder / "incidents" / "2-1-network.json").unlink()

    assert watch.head().revision != before
    assert watch.head().open_incidents == 0


def test_a_folder_of_folders_shows_each_and_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    a_run(tmp_path / "Run 1")
    broken = a_run(tmp_path / "run-1")
    (broken / "result.json").write_text("{")
    (tmp_path / "other").mkdir()
    library = Library((tmp_path,), place_nodes)

    library.scan()
    heads = {one.id: library.head(one) for one in library.sources()}

    assert sorted(heads) == ["run-1", "run-1-2"]
    assert sorted(one.state for one in heads.values()) == ["finished", "unreadable"]
    (broken / "result.json").unlink()
    (broken / WATCHED_FILE).unlink()
    library.scan()
    assert len(library.sources()) == 1
