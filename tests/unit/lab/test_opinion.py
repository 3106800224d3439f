"""The headline and ablation: what contradicts decisively is followed or told, what does not is not."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.lab.conclude import headline
from shadowlab.lab.diagnosis.opinion import where_and_what
from shadowlab.model.diagnosis.ablation import Ablation, FaultKind, Trial
from shadowlab.model.network import Direction
from shadowlab.model.verdict import FaultDomain, Suspect

S = 10**9
LINE, OTHER = Direction(link="a-b", source="a", target="b"), Direction(link="trunk", source="b", target="c")


def suspect(*directions: Direction, label: str = "") -> Suspect:
    return Suspect(
        directions=directions, score=9.0, posterior=0.97, loss=0.02, excess_delay_ns=0.0, paths_affected=2,
        paths_crossing=2, label=label,
    )  # fmt: skip


DOMAIN = FaultDomain(
    links=("a-b",), kind="loss", onset_ns=150 * S, confidence=0.97, suspects=(suspect(LINE),),
    runners_up=(suspect(OTHER),), affected_paths=("x→y",), affected_flows=(),
)  # fmt: skip
NODE = replace(DOMAIN, links=("a-b", "trunk"), suspects=(suspect(LINE, OTHER, label="node b"),), runners_up=())


def trial(way: Direction, kind: FaultKind, log10: float, *more: Direction) -> Trial:
    directions = tuple(str(one) for one in (way, *more))
    return Trial(
        name=f"{directions[0]}: {kind}", directions=directions, kind=kind, size=0.1, interval=(0.1, 0.1), words="",
        log10_bayes=log10, explained=0.5, runs=1,
    )  # fmt: skip


def said(
    *trials: Trial, domain: FaultDomain = DOMAIN, sufficiency: float = 1.0, undecided: tuple[str, ...] = ()
) -> str:
    first = trials[0].log10_bayes
    lead = first - trials[1].log10_bayes if len(trials) > 1 else 6.0
    found = Ablation(trials=trials, necessity=first, lead=lead, sufficiency=sufficiency, undecided=undecided)
    return headline(replace(domain, ablation=found), (), ())


def test_what_ablation_bears_out_is_said_as_it_was() -> None:
    assert said(trial(LINE, "loss", 5), trial(LINE, "short queue", 1)) == "a-b: loss since 2:30."


def test_another_kind_that_is_decisively_better_takes_the_headline() -> None:
    found = said(trial(LINE, "short queue", 5), trial(LINE, "loss", 2))

    assert found == "a-b: queue too short since 2:30 (by ablation; the search alone had said a-b: loss)."


def test_another_place_that_is_decisively_better_takes_the_headline() -> None:
    found = said(trial(OTHER, "loss", 5), trial(LINE, "loss", 1))

    assert found.startswith("trunk: loss since 2:30 (by ablation")


def test_of_a_node_one_link_takes_the_headline() -> None:
    found = said(trial(OTHER, "loss", 5), trial(LINE, "loss", 1, OTHER), domain=NODE)

    assert found.startswith("trunk: loss since")


def test_a_little_better_changes_nothing() -> None:
    assert said(trial(LINE, "rate", 5), trial(LINE, "loss", 3.5)) == "a-b: loss since 2:30."


@pytest.mark.parametrize("doubt", ["two explanations lead", "something besides is needed"])
def test_what_is_contradicted_without_a_successor_is_in_doubt(doubt: str) -> None:
    second, third = trial(LINE, "short queue", 4.5), trial(LINE, "loss", 1)

    if doubt == "two explanations lead":
        found = said(trial(LINE, "rate", 5), second, third, undecided=(second.name,))
    else:
        found = said(trial(LINE, "rate", 5), third, sufficiency=-3)

    assert found == (
        "a-b: loss since 2:30 (in doubt: imposed in a shadow, capacity on a-b explains it 10 000 times better)."
    )


def test_a_fault_that_no_shadow_shows_is_in_doubt() -> None:
    assert "in doubt: of what was imposed" in said(trial(LINE, "loss", -4))


def test_what_was_not_imposed_is_not_contradicted() -> None:
    assert said(trial(OTHER, "loss", 5)) == "a-b: loss since 2:30."


@given(
    st.lists(
        st.tuples(st.sampled_from([LINE, OTHER]), st.sampled_from(get_args(FaultKind)), st.floats(-6, 6)), max_size=5
    ),
    st.sampled_from([DOMAIN, NODE, replace(DOMAIN, kind="overload"), replace(DOMAIN, kind="loss and delay")]),
)
def test_the_line_changes_only_where_the_best_explanation_differs_by_a_hundred_to_one(
    drawn: list[tuple[Direction, FaultKind, float]], domain: FaultDomain
) -> None:
    trials = tuple(trial(*one) for one in sorted(drawn, key=lambda one: -one[2]))
    first = trials[0].log10_bayes if trials else 0.0
    lead = first - trials[1].log10_bayes if len(trials) > 1 else 6.0
    found = Ablation(trials=trials, necessity=first, lead=lead, sufficiency=1.0)

    words, added = where_and_what(replace(domain, ablation=found))

    if words != f"{' and '.join(domain.links)}: {domain.kind}":
        assert lead >= 2 and "had said" in added
    if first > -2 and len({one.log10_bayes for one in trials}) > 1 and first - trials[-1].log10_bayes < 2:
        assert not added
