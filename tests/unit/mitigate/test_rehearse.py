"""Cures are ranked by what they did."""

from collections.abc import Sequence

import numpy as np
import pytest

from shadowlab.mitigate.candidate import NOTHING, Candidate
from shadowlab.mitigate.rehearse import Race, Rehearsal, Stage, rehearse
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.level import ServiceLevel
from shadowlab.shadow.ops import RemoveNode

S = 10**9
LEVELS = [ServiceLevel(name="fast", kpi="latency_ms", limit=10, window_ns=S)]
STAGE = Stage(cure_ns=0, settled_ns=S, judged_ns=4 * S)
RACE = Race(levels=LEVELS)


def measured(*paths: list[float]) -> Rehearsal:
    return Rehearsal(
        table=SeriesTable(
            times_ns=np.arange(1, 5, dtype=np.int64) * S,
            subjects=tuple(f"a→{index}" for index in range(len(paths))),
            values={"latency_ms": np.array(paths).T},
        ),
        stage=STAGE,
    )


def candidate(name: str, kind: str = "reroute") -> Candidate:
    return Candidate(name=name, kind=kind, summary=name)  # type: ignore[arg-type]


def ranked(results: dict[str, Rehearsal]) -> list[tuple[str, float, int]]:
    def execute(candidates: Sequence[Candidate], long: bool) -> list[Rehearsal]:
        return [results[one.name] for one in candidates]

    others = [candidate(name) for name in results if name != NOTHING.name]
    return [(one.cure, round(one.recovered, 3), one.harm) for one in rehearse([NOTHING, *others], execute, RACE)]


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
        lambda some, long: [measured([20, 20, 20, 20]) for _ in some],
        RACE,
    )

    assert (outcomes[-1].cure, outcomes[-1].note) == ("up", "not possible here: it is unlimited")


def test_a_cure_whose_steps_failed_ranks_below_doing_nothing() -> None:
    failing = Rehearsal(table=measured([5, 5, 5, 5]).table, stage=STAGE, failures=("script fix in r: exit code 1",))

    outcome = ranked({NOTHING.name: measured([20, 20, 20, 20]), "fix": failing})

    assert [name for name, _, _ in outcome] == ["do nothing", "fix"]


def test_doing_nothing_must_be_a_candidate() -> None:
    with pytest.raises(ValueError, match="the first candidate must be doing nothing"):
        rehearse([candidate("up")], lambda some, long: [], RACE)


def test_of_many_the_clearly_worse_leave_after_a_short_course_and_the_rest_run_the_long_one() -> None:
    courses: list[tuple[bool, list[str]]] = []
    values = {"do nothing": 20.0, "a": 5.0, "b": 5.0, "c": 6.0, "d": 20.0, "e": 20.0}

    def execute(some: Sequence[Candidate], long: bool) -> list[Rehearsal]:
        courses.append((long, [one.name for one in some]))
        return [measured([values[one.name]] * 4) for one in some]

    outcomes = rehearse([NOTHING, *map(candidate, "abcde")], execute, RACE)

    assert courses == [(False, ["do nothing", *"abcde"]), (True, ["do nothing", "a", "b", "c"])]
    assert [(one.cure, one.short) for one in outcomes] == [
        ("a", False),
        ("b", False),
        ("c", False),
        ("do nothing", False),
        ("d", True),
        ("e", True),
    ]


def test_two_that_help_by_different_means_are_tried_together_if_something_is_left_to_mend() -> None:
    values = {"do nothing": [20, 20, 20, 20], "a": [20, 5, 5, 20], "b": [20, 20, 5, 5], "a + b": [5, 5, 5, 5]}

    def execute(some: Sequence[Candidate], long: bool) -> list[Rehearsal]:
        return [measured([float(value) for value in values[one.name]]) for one in some]

    outcomes = rehearse([NOTHING, candidate("a"), candidate("b", "queue")], execute, Race(levels=LEVELS, combine=True))

    assert (outcomes[0].cure, outcomes[0].kind, outcomes[0].recovered) == ("a + b", "combination", 1.0)


def test_what_is_broken_after_a_cure_was_taken_back_is_told() -> None:
    stage = Stage(cure_ns=0, settled_ns=S, judged_ns=2 * S, back_ns=2 * S, end_ns=4 * S)
    undoing = Candidate(name="a", kind="reroute", summary="a", undo=(RemoveNode(node="x"),))

    def execute(some: Sequence[Candidate], long: bool) -> list[Rehearsal]:
        return [
            Rehearsal(table=measured([20, 20, 20, 20]).table, stage=stage),
            Rehearsal(table=measured([5, 5, 20, 5]).table, stage=stage, undo_failures=("node x: remove: busy",)),
        ]

    first, second = rehearse([NOTHING, undoing], execute, RACE)

    assert (first.cure, first.rolled_back_share, first.roll_back_failures) == ("a", 0.5, ("node x: remove: busy",))
    assert second.rolled_back_share is None


def test_a_third_joins_two_that_leave_something_to_mend() -> None:
    values = {
        "do nothing": [20, 20, 20, 20, 20],
        "a": [20, 5, 5, 20, 20],
        "b": [20, 20, 20, 5, 20],
        "c": [20, 20, 20, 20, 5],
        "a + b": [20, 5, 5, 5, 20],
        "a + b + c": [5, 5, 5, 5, 5],
    }

    def execute(some: Sequence[Candidate], long: bool) -> list[Rehearsal]:
        return [measured(*([float(value)] * 4 for value in values[one.name])) for one in some]

    three = [candidate("a"), candidate("b", "queue"), candidate("c", "limit")]
    outcomes = rehearse([NOTHING, *three], execute, Race(levels=LEVELS, combine=True))

    assert (outcomes[0].cure, outcomes[0].recovered) == ("a + b + c", 1.0)
