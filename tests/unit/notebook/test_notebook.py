"""What a notebook shows and hands on: tables, views, and the page that tells of them."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import signal
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import shadowlab
from shadowlab.errors import CannotRunError, InputError
from shadowlab.lab.interrupt import Interrupted, check
from shadowlab.model.kpi import SeriesTable
from shadowlab.notebook import doing
from shadowlab.notebook.shown import AnswerView, CalibrationView, RunView
from shadowlab.notebook.table import SHOWN_ROWS, Table
from shadowlab.predict.sweep.answer import BASELINE, Answer, Provenance, headline, variant_answer, worst_of_links
from shadowlab.predict.sweep.figures import LevelFigure, LinkFigure, RunFigures
from shadowlab.report.ahead.plain import answer_json
from shadowlab.store.series import write_series

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "tests" / "golden" / "formats" / "result-1.json"
PAGE = ROOT / "docs" / "how-to" / "notebook.md"
FLOWS = """{"network": {"nodes": ["a", "r", "c"], "links": [{"from": "a", "to": "r"}, {"from": "r", "to": "c"}]}}
{"src": "a", "dst": "c", "sent": 20000, "bad": 600}
{"src": "a", "dst": "r", "sent": 20000, "bad": 1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder, as far as a notebook reads it."""
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(KEPT, run / "result.json")
    times = np.array([59, 61, 62], dtype=np.int64) * 10**9
    values = {"latency_ms": np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 6.0]])}
    write_series(run / "paths.csv", SeriesTable(times_ns=times, subjects=("a→b", "b→a"), values=values))
    return run


def answer(name: str = "growth=1.5") -> Answer:
    def figures(variant: str, *values: float | None) -> list[RunFigures]:
        known = {"level": "quick", "subject": "a→b", "kpi": "latency_ms", "limit": 100.0, "less_is_bad": False}
        link = LinkFigure(direction="x>y", utilisation=0.5, peak=0.5, loss=0.0)
        return [
            RunFigures(
                variant=variant,
                seed=seed,
                levels=(LevelFigure(**known, value=value, windows=4),),  # type: ignore[arg-type]
                links=(link,),
                cut=("a→b",) if value is None else (),
            )
            for seed, value in enumerate(values)
        ]

    base = figures(BASELINE, 50.0, 52.0)
    baseline = variant_answer(BASELINE, (), base, ())
    variants = (
        variant_answer(name, ("more",), figures(name, 130.0, 131.0), base),
        variant_answer("cut", ("a failure",), figures("cut", None, None), base),
    )
    origin = {"kernel": "Linux", "clock": "virtual", "shadowlab": "0", "scale_reason": ""}
    return Answer(
        question="what if",
        baseline=baseline,
        variants=variants,
        links=worst_of_links(baseline, variants),
        provenance=Provenance(**origin, seeds=(0, 1), seconds=25.0, scale_factor=1.0, runs=6),  # type: ignore[arg-type]
        promised=True,
        headline=headline(baseline, variants),
    )


def test_columns_take_the_kind_of_what_is_known() -> None:
    rows = [("a", 1, 1, 0.5, True, None), ("b", 2, None, 1, False, None)]
    table = Table.of_rows("Things", ("text", "whole", "gap", "real", "flag", "nothing"), rows)

    array = table.to_numpy()

    assert [array.dtype[name].kind for name in array.dtype.names or ()] == list("UiffbU")
    assert array["gap"][0] == 1.0 and np.isnan(array["gap"][1])
    assert array["nothing"].tolist() == ["", ""]
    assert len(table) == 2 and table.rows()[1][:2] == ("b", 2)
    with pytest.raises(KeyError, match="there are text, whole"):
        table["texts"]


def test_a_series_has_a_row_for_each_moment_and_subject(folder: Path) -> None:
    series = shadowlab.read_run(folder).path_series()

    assert series["time_s"].tolist() == [59.0, 59.0, 61.0, 61.0, 62.0, 62.0]
    assert series["path"].tolist() == ["a→b", "b→a"] * 3
    assert np.nansum(series["latency_ms"]) == 17.0


def test_what_is_shown_is_escaped_and_says_what_it_leaves_out() -> None:
    table = Table.of_rows("<b>", ("name", "value"), [("<script>", None)] * SHOWN_ROWS + [("x", 1.0)] * 2)

    shown = table._repr_html_()

    assert "<script>" not in shown and "&lt;script&gt;" in shown and "<b>" not in shown
    assert "2 more rows: to_numpy() and to_pandas() have all" in shown
    assert "things: none" in Table.of_rows("things", ("a",), [])._repr_html_()


def test_pandas_is_asked_for_by_name_and_gets_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table.of_rows("Things", ("name", "value"), [("a", 1.5)])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(CannotRunError, match=re.escape("pip install 'shadowlab[notebook]'")):
        table.to_pandas()

    stand_in = types.ModuleType("pandas")
    stand_in.DataFrame = lambda columns: columns  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", stand_in)
    assert {name: one.tolist() for name, one in table.to_pandas().items()} == {"name": ["a"], "value": [1.5]}


def test_pandas_itself_takes_every_kind_of_column() -> None:
    table = Table.of_rows("Things", ("text", "gap", "flag"), [("a", 1, True), ("b", None, False)])

    frame = table.to_pandas()

    assert isinstance(frame, pandas.DataFrame) and frame["gap"].isna().tolist() == [False, True]


def test_a_run_shows_its_verdict_its_map_and_its_cures(folder: Path) -> None:
    run = shadowlab.read_run(folder)

    shown = run._repr_html_()

    assert run.headline in repr(run) and "data:image/png;base64," in shown
    assert "ams-ber" in run.suspects["suspect"][0]
    assert run.cures["cure"][0] == "reroute" and "reroute" in shown
    assert len(run.levels) == 4 and run.levels["holds"].dtype.kind == "b"
    assert run.links["loss_after"].max() == pytest.approx(0.0493154016)
    assert run.paths["latency_ms_before"][0] == pytest.approx(8.945606)
    assert len(run.map.links) == 2 * len(run.result.network.links)


def test_an_answer_is_read_back_whole(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(answer_json(answer("<script>")))

    view = shadowlab.read_answer(tmp_path)

    assert answer_json(view.answer) == answer_json(answer("<script>"))
    assert view.variants["verdict"].tolist() == ["holds", "breaks", "breaks"]
    assert view.variants["nearness"][2] == np.inf
    assert view.levels["predicted"][1] == 130.5 and np.isnan(view.levels["predicted"][2])
    assert "<script>" not in view._repr_html_() and view.headline in repr(view)
    assert not view.holds and view.links["worst"].tolist() == [0.5]


@pytest.mark.parametrize("text", ["[]", "{", '{"format": "whatif/1"}', '{"format": "whatif/9"}'])
def test_what_is_no_answer_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(text)

    with pytest.raises(InputError, match=r"answer\.json: cannot be read as an answer"):
        shadowlab.read_answer(tmp_path)


def test_a_localisation_names_what_is_guilty(tmp_path: Path) -> None:
    (tmp_path / "flows.jsonl").write_text(FLOWS)

    found = shadowlab.locate(tmp_path / "flows.jsonl")

    assert "r>c" in found.suspects["components"][0] and "r&gt;c" in found._repr_html_()
    assert "r>c" in repr(found)
    with pytest.raises(InputError, match="no method 'guess'"):
        shadowlab.locate(tmp_path / "flows.jsonl", method="guess")


def test_ctrl_c_is_noted_and_raised_once_all_is_cleaned_up() -> None:
    before = signal.getsignal(signal.SIGINT)
    cleaned = []

    with pytest.raises(KeyboardInterrupt), doing._stoppable() as stop:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            check(stop)
        except Interrupted:
            cleaned.append(True)
            raise

    assert cleaned and signal.getsignal(signal.SIGINT) is before


def test_every_public_name_is_there_and_named_on_the_page() -> None:
    for name in shadowlab._DOING:
        assert callable(getattr(shadowlab, name)) and name in dir(shadowlab)
        assert f"shadowlab.{name}(" in PAGE.read_text()
    with pytest.raises(AttributeError, match="no attribute 'runs'"):
        shadowlab.runs  # noqa: B018


def test_the_blocks_of_the_page_run(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a kept run and a made-up answer in the place of the long ones; tests/stories runs them in full."""
    (tmp_path / "topologies").symlink_to(ROOT / "topologies")
    (tmp_path / "runs").mkdir()
    (tmp_path / "flows.jsonl").write_text(FLOWS)
    monkeypatch.chdir(tmp_path)

    def run(*given: Any, **named: Any) -> RunView:
        bound = inspect.signature(originals["run"]).bind(*given, **named).arguments
        shutil.copytree(folder, bound["out"])
        return shadowlab.read_run(bound["out"])

    def ask(name: str) -> Any:
        def asked(*given: Any, **named: Any) -> AnswerView:
            out = Path(inspect.signature(originals[name]).bind(*given, **named).arguments["out"])
            out.mkdir()
            (out / "answer.json").write_text(answer_json(answer()))
            return shadowlab.read_answer(out)

        return asked

    originals = {name: getattr(doing, name) for name in ("run", "whatif", "sweep")}
    monkeypatch.setattr(doing, "run", run)
    monkeypatch.setattr(doing, "whatif", ask("whatif"))
    monkeypatch.setattr(doing, "sweep", ask("sweep"))
    _calibrate()

    known: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), known)

    assert isinstance(known["known"], CalibrationView) and "measured" in known["known"].values["standing"]
    assert "standing" in known["known"]._repr_html_()
    other = json.loads(Path("calibration.json").read_text()) | {"map": "another"}
    Path("calibration.json").write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"calibration\.json: it is about the map 'another'"):
        shadowlab.read_calibration("calibration.json", "topologies/abilene.yaml")


def _calibrate() -> None:
    """By the page's own command."""
    from click.testing import CliRunner

    from shadowlab.cli.calibrate.command import calibrate
    from shadowlab.cli.interrupt import Interrupt

    (line,) = re.findall(r"^shadowlab calibrate (.*)$", PAGE.read_text(), re.MULTILINE)
    done = CliRunner().invoke(calibrate, line.split(), obj=Interrupt())
    assert done.exit_code == 0, done.output
