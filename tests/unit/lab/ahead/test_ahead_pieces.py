"""Looking ahead without a kernel: the shadow is a formula, all around it is real."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from shadowlab.errors import InputError
from shadowlab.lab.ahead.asked import Asked, open_question
from shadowlab.lab.ahead.asking import asked_variants
from shadowlab.lab.ahead.foresee import duration_words, foresee
from shadowlab.lab.ahead.headroom import find_headroom
from shadowlab.lab.ahead.history import read_history
from shadowlab.lab.ahead.kept import SweepFolder
from shadowlab.lab.ahead.measuring import Runner
from shadowlab.lab.ahead.variants import Ready, make_ready
from shadowlab.lab.ahead.whatif import Effort, Inquiry
from shadowlab.model.telemetry import TcpRecord
from shadowlab.predict.forecast.backtest import Forecast
from shadowlab.predict.scenario.grid import Variant, read_text
from shadowlab.predict.sweep.figures import LevelFigure, LinkFigure, RunFigures
from shadowlab.telemetry.writing import open_writer

SMALL = Path(__file__).parents[3] / "stories" / "small"
S = 10**9


@dataclass
class Formula:
    """In the place of a :class:`Runner`: latency is 40 ms times growth, twice as much without north-south."""

    ran: list[tuple[str, int]] = field(default_factory=list)
    noise: float = 0.0
    place: Any = None
    interrupt: Any = None

    def __post_init__(self) -> None:
        @dataclass
        class Place:
            description: str = "a formula"
            clock: str = "virtual"

        class Calm:
            def asked(self) -> bool:
                return False

        self.place, self.interrupt = Place(), Calm()

    def run(self, ready: Iterable[Ready]) -> Iterator[RunFigures]:
        for one in ready:
            assert one.prepared is not None
            self.ran.append((one.variant.name, one.seed))
            growth = np.prod([each.get("growth", 1.0) for each in one.variant.scenarios])
            longer = 2 if any(each.get("fail") == "north-south" for each in one.variant.scenarios) else 1
            value = float(40 * growth * longer + self.noise * one.seed)
            figure = LevelFigure(
                level="quick",
                subject="web→db",
                kpi="latency_p95_ms",
                limit=100.0,
                less_is_bad=False,
                value=value,
                windows=4,
            )
            links = tuple(
                LinkFigure(direction=name, utilisation=used, peak=used, loss=0.0)
                for name, used in (("north>south", 0.2 * growth), ("west>south", 0.9))
            )
            yield RunFigures(variant=one.variant.name, seed=one.seed, levels=(figure,), links=links)


def asked() -> Asked:
    return open_question(
        SMALL / "incident.yaml", telemetry=None, unit="", levels=(), duration_ns=15 * S, budget_ns=20 * S
    )


def inquiry(formula: Formula, **effort: Any) -> Inquiry:
    return Inquiry(asked(), cast(Runner, formula), Effort(**effort))


def forecast(low: float, middle: float, high: float) -> Forecast:
    """Demand of 10 now that goes straight to so much in four hours."""
    hours = np.linspace(0.25, 4, 16)
    return Forecast(
        name="total",
        model="by hand",
        now=10.0,
        times_s=hours * 3600,
        quantiles={share: 10 + (end - 10) * hours / 4 for share, end in ((0.1, low), (0.5, middle), (0.9, high))},
        scores={},
        coverage=0.8,
        folds=0,
    )


def test_variants_and_baseline_share_their_seeds_and_a_sure_answer_ends_the_runs() -> None:
    formula = Formula(noise=0.5)
    asking = inquiry(formula, least_runs=2)

    answer = asking.answer([Variant(scenarios=(read_text("fail=north-south"),))])

    assert sorted(formula.ran) == [(name, seed) for name in ("baseline", "fail=north-south") for seed in (1, 2)]
    (prediction,) = answer.variants[0].predictions
    assert prediction.difference is not None
    assert (prediction.difference.low, prediction.difference.high) == (40.0, 40.0)
    assert answer.holds
    assert [one.cause for one in answer.links if one.direction == "north>south"] == ["baseline"]


def test_headroom_is_where_the_formula_breaks_and_growth_1_is_run_with_the_rest() -> None:
    found = find_headroom(
        inquiry(Formula(), least_runs=1), (), {}, least=1.0, most=4.0, tolerance=0.02, on_round=lambda *_: None
    )

    assert found.holds_at is not None
    assert found.breaks_at is not None
    assert found.holds_at <= 2.5 < found.breaks_at <= found.holds_at * 1.02
    assert found.first[0].level == "quick"


def test_a_forecast_of_demand_becomes_the_hour_at_which_a_level_breaks_and_the_link() -> None:
    found = foresee(
        inquiry(Formula(), least_runs=1, most_runs=1),
        [forecast(20.0, 30.0, 50.0)],
        horizon_s=4 * 3600.0,
        moments=4,
        on_round=lambda *_: None,
    )

    (one,) = found.violations
    assert one.link == "north>south"  # the way of web→db; the fuller link is not on it
    assert one.when.expected == pytest.approx(3 * 3600, rel=0.02)  # 2.5 times the demand of now
    assert one.when.early == pytest.approx(1.5 * 3600, rel=0.02)
    assert one.when.late is None
    assert "north>south breaks quick on web→db in 3 h" in found.headline


def test_a_demand_that_stays_low_breaks_nothing() -> None:
    found = foresee(
        inquiry(Formula(), least_runs=1, most_runs=1),
        [forecast(9.0, 11.0, 15.0)],
        horizon_s=4 * 3600.0,
        moments=2,
        on_round=lambda *_: None,
    )

    assert found.violations == ()
    assert "holds for the next 4 h" in found.headline


def test_the_highest_demand_is_run_though_it_is_between_the_even_moments() -> None:
    hours = np.linspace(0.25, 4, 16)
    peak = 10 + 30 * np.clip(1 - np.abs(hours - 1), 0, None)
    evening = dataclasses.replace(forecast(9.0, 11.0, 15.0), quantiles=dict.fromkeys((0.1, 0.5, 0.9), peak))

    found = foresee(
        inquiry(Formula(), least_runs=1, most_runs=1),
        [evening],
        horizon_s=4 * 3600.0,
        moments=2,
        on_round=lambda *_: None,
    )

    assert [one.seconds for one in found.points if one.quantile == 0.5] == [3600.0, 4 * 3600.0]
    assert found.violations


def test_a_series_of_nothing_is_refused() -> None:
    one = dataclasses.replace(forecast(9.0, 11.0, 15.0), name="nobody")

    with pytest.raises(InputError, match="series 'nobody' is of no part of the demand"):
        foresee(inquiry(Formula()), [one], horizon_s=3600.0, moments=1, on_round=lambda *_: None)


def test_a_job_s_id_is_that_of_its_content() -> None:
    base = make_ready(asked(), Variant(), seed=1, factor=1.0)
    same = make_ready(asked(), Variant(scenarios=({"growth": 1.0},)), seed=1, factor=1.0)
    other = make_ready(asked(), Variant(), seed=2, factor=1.0)

    assert base.content_id("k") == same.content_id("k")
    assert len({base.content_id("k"), other.content_id("k"), base.content_id("l")}) == 3


def test_a_sweep_s_folder_keeps_figures_and_forgets_damaged_ones(tmp_path: Path) -> None:
    figures = RunFigures(
        variant="v", seed=1, links=(LinkFigure(direction="a>b", utilisation=1 / 3, peak=1.0, loss=0.0),)
    )

    with SweepFolder(tmp_path / "s") as folder:
        folder.put("x", figures)
        folder.put("y", figures)
        (tmp_path / "s" / "results" / "y.json").write_text("{")
        with pytest.raises(InputError, match="another sweep is writing"), SweepFolder(tmp_path / "s"):
            pass
    with SweepFolder(tmp_path / "s") as folder:
        assert folder.get("x") == figures
        assert folder.get("y") is None
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="holds something else"), SweepFolder(tmp_path / "other"):
        pass


def test_a_file_of_questions_says_where_it_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "q.yaml"
    file.write_text("shadowlab: questions/1\nscenarios:\n  - {growth: 1.2}\nvariants:\n  - {fial: north-south}\n")
    with pytest.raises(InputError, match=r"q.yaml:5:5: 'fial' is no kind of scenario: did you mean `fail`"):
        asked_variants(asked(), (), file, each=False)

    file.write_text(file.read_text().replace("fial", "fail"))

    found = asked_variants(asked(), ("upgrade=north-west,factor=2",), file, each=False)
    assert [one.name for one in found] == ["upgrade=north-west,factor=2 + growth=1.2 + fail=north-south"]


def test_a_timeline_is_checked_like_a_scenario_s_events() -> None:
    late = Variant(scenarios=({"timeline": [{"at": "99 s", "fail": "north-south"}]},))
    wrong = Variant(scenarios=({"timeline": [{"at": "9 s", "fial": "north-south"}]},))
    right = Variant(scenarios=({"timeline": [{"at": "9 s", "fail": "north-south"}]},))

    with pytest.raises(InputError, match="ask with a longer --duration"):
        make_ready(asked(), late, seed=1, factor=1.0)
    with pytest.raises(InputError, match="did you mean `fail`"):
        make_ready(asked(), wrong, seed=1, factor=1.0)
    assert make_ready(asked(), right, seed=1, factor=1.0).from_ns == 9 * S


def test_history_is_read_wide_and_long(tmp_path: Path) -> None:
    network = asked().inputs.network
    wide, long = tmp_path / "wide.csv", tmp_path / "long.csv"
    stamps = [f"2026-03-{1 + hour // 24:02}T{hour % 24:02}:00:00" for hour in range(48)]
    wide.write_text("time,total,shop\n" + "".join(f"{one},{index},\n" for index, one in enumerate(stamps)))
    long.write_text("time,series,value\n" + "".join(f"{one},total,{index}\n" for index, one in enumerate(stamps)))

    (first,) = read_history(wide, network, by="total", step_s=None)
    (second,) = read_history(long, network, by="total", step_s=None)

    assert first.step_s == 3600
    assert list(first.values) == list(second.values) == list(range(48))
    for text, words in (
        ("", "is empty"),
        ("time,total\nnever,1\n", "wide.csv:2: 'never' is no time"),
        ("time,total\n1,x\n", "wide.csv:2: 'x' is not a number"),
        ("time,total\n1,2,3\n", "has 3 columns, not 2"),
    ):
        wide.write_text(text)
        with pytest.raises(InputError, match=words):
            read_history(wide, network, by="total", step_s=None)


def test_durations_are_told_in_two_units() -> None:
    assert duration_words(3 * 3600 + 40 * 60) == "3 h 40 min"
    assert duration_words(26 * 3600) == "1 d 2 h"
    assert duration_words(20) == "20 s"


def test_telemetry_of_many_hours_is_a_series_of_each_pair_and_service(tmp_path: Path) -> None:
    megabits = [float(10 + hour % 24) for hour in range(36)]
    counted = np.concatenate([[0.0], np.cumsum(megabits) * 3600 * 1e6 / 8])
    records = [
        TcpRecord(
            at_ns=(1_764_547_200 + 3600 * hour) * S,
            instance="web",
            local_address="192.0.2.10",
            local_port=40_000,
            peer_address="192.0.2.20",
            peer_port=5432,
            service="shop",
            bytes_acked=int(count),
        )
        for hour, count in enumerate(counted)
    ]
    path = tmp_path / "days.jsonl"
    with open_writer(path, "jsonl") as writer:
        for record in records:
            writer.write(record)

    (pair,) = read_history(path, asked().inputs.network, by="pair", step_s=None)
    (service,) = read_history(path, asked().inputs.network, by="service", step_s=None)

    assert (pair.name, service.name) == ("web>db", "shop")
    assert pair.values == pytest.approx(megabits)
