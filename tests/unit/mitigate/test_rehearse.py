"""Cures are ranked by what they did."""

from collections.abc import Sequence

import numpy as np
import pytest

from shadowlab.mitigate.propose import NOTHING, Candidate
from shadowlab.mitigate.rehearse import Rehearsal, Stage, rehearse
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import ServiceLevel

S = 10**9
LEVELS = [ServiceLevel(name="fast", kpi="latency_ms", limit=10, window_ns=S)]
STAGE = Stage(cure_ns=0, settled_ns=S, end_ns=4 * S)


def measured(*paths: list[float]) -> Rehearsal:
    return Rehearsal(
        table=SeriesTable(
            times_ns=np.arange(1, 5, dtype=np.int64) * S,
            subjects=tuple(f"a→{index}" for index in range(len(paths))),
            values={"latency_ms": np.array(paths).T},
        )
    )


def candidate(name: str, kind: str = "reroute") -> Candidate:
    return Candidate(name=name, kind=kind, summary=name)  # type: ignore[arg-type]


def ranked(results: dict[str, Rehearsal]) -> list[tuple[str, float, int]]:
    def execute(candidates: Sequence[Candidate]) -> list[Rehearsal]:
        return [results[one.name] for one in candidates]

    others = [candidate(name) for name in results if name != NOTHING.name]
    return [
        (one.cure, round(one.recovered, 3), one.harm) for one in rehearse([NOTHING, *others], execute, LEVELS, STAGE)
    ]


def test_the_cure_that_mends_most_comes_first() -> None:
    outcome = ranked(
        {
            NOTHING.name: measured([20, 20, 20, 20]),
            "half": measured([20, 5, 20, 5]),
            "whole": measured([20, 5, 5, 5]),
        }
    )

    assert outcome == [("whole", 1.0, 0), ("half", pytest.approx(2 / 3, abs=1e-3), 0), ("do nothing", 0.0, 0)]


def test_a_cure_that_breaks_another_path_is_charged_for_it() -> None:
    outcome = ranked(
        {
            NOTHING.name: measured([20, 20, 20, 20], [5, 5, 5, 5]),
            "shifts": measured([5, 5, 5, 5], [20, 20, 20, 20]),
        }
    )

    assert outcome == [("do nothing", 0.0, 0), ("shifts", 0.0, 1)]


def test_what_cannot_be_tried_comes_last_with_its_reason() -> None:
    outcomes = rehearse(
        [NOTHING, Candidate(name="up", kind="upgrade", summary="up", impossible="it is unlimited")],
        lambda some: [measured([20, 20, 20, 20]) for _ in some],
        LEVELS,
        STAGE,
    )

    assert (outcomes[-1].cure, outcomes[-1].note) == ("up", "not possible here: it is unlimited")


def test_a_cure_whose_steps_failed_ranks_below_doing_nothing() -> None:
    failing = Rehearsal(table=measured([5, 5, 5, 5]).table, failures=("script fix in r: exit code 1",))

    outcome = ranked({NOTHING.name: measured([20, 20, 20, 20]), "fix": failing})

    assert [name for name, _, _ in outcome] == ["do nothing", "fix"]


def test_doing_nothing_must_be_a_candidate() -> None:
    with pytest.raises(ValueError, match="the first candidate must be doing nothing"):
        rehearse([candidate("up")], lambda some: [], LEVELS, STAGE)
