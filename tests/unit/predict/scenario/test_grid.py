"""Grids: lists, ranges, every failure there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ahead_example import S, situation

from shadowlab.detect.registry import DETECTORS
from shadowlab.lab.inputs.gathered import read_inputs
from shadowlab.lab.scenario import load_scenario
from shadowlab.predict.scenario.form import Kind
from shadowlab.predict.scenario.grid import expanded, read_text
from shadowlab.predict.scenario.kinds import KINDS, applied, kind_of
from shadowlab.predict.scenario.situation import Situation

NETWORK = situation().network


def names(*texts: str) -> list[str]:
    return [one.name for one in expanded([read_text(one) for one in texts], NETWORK)]


def test_a_range_and_a_list_make_a_variant_for_each_combination() -> None:
    assert names("growth=1..2/0.5", "fail=north-south|south-west") == [
        f"growth={factor} + fail={link}" for factor in ("1", "1.5", "2") for link in ("north-south", "south-west")
    ]


def test_every_failure_is_one_of_each_link_between_routers_and_with_k_2_of_each_pair() -> None:
    assert names("fail=each") == ["fail=north-south", "fail=north-west", "fail=south-west"]
    assert len(names("fail=each,k=2")) == 6
    assert names("fail=each,of=groups") == ["fail=duct"]


def test_a_drain_with_any_further_failure_leaves_out_what_is_drained() -> None:
    assert names("drain=north-south", "fail=each") == [
        "drain=north-south + fail=north-west",
        "drain=north-south + fail=south-west",
    ]


def test_a_migration_with_a_copy_is_two_variants() -> None:
    assert names("migrate=db,to=north,copy=1MB") == [
        "migrate=db,to=north,copy=1MB,phase=copy",
        "migrate=db,to=north,copy=1MB,phase=after",
    ]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["growth=3..1"], "is no range"),
        (["growth=1..1000/0.0001"], "points; at most 10000"),
        (["growth=1..200/1", "upgrade=north-south,factor=1..200/1"], "variants; at most 10000"),
        (["fail=each,k=3"], "k is 1 or 2"),
        (["growht=2"], "did you mean `growth`"),
        (["growth"], "write it like"),
        (["growth=1,growth=2"], "states growth twice"),
    ],
)
def test_a_grid_that_cannot_be_meant_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        names(*texts)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda one: one.name)
def test_every_kind_s_example_is_of_its_kind(kind: Kind) -> None:
    assert kind_of(read_text(kind.example)) is kind


def test_the_reference_lists_every_kind() -> None:
    text = (Path(__file__).parents[4] / "docs" / "reference" / "what-if.md").read_text()
    table = text.partition("<!-- kinds -->")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(KINDS)


def examples() -> list[list[str]]:
    """The scenarios of every command of the how-to page."""
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "what-if.md").read_text()
    lines = re.findall(r"^shadowlab (?:whatif|sweep) (.*)", page, re.MULTILINE)
    return [re.findall(r"(?:-s|--scenario) \"?([^\s\"]+)", line) for line in lines]


@pytest.mark.parametrize("texts", [one for one in examples() if one], ids=" ".join)
def test_every_question_of_the_how_to_page_can_be_asked_of_its_scenario(texts: list[str], abilene: Situation) -> None:
    for variant in expanded([read_text(one) for one in texts], abilene.network):
        assert applied(variant.scenarios, abilene).changes


@pytest.fixture(scope="module")
def abilene() -> Situation:
    path = Path(__file__).parents[4] / "topologies" / "abilene-incident.yaml"
    scenario = load_scenario(path, known_detectors=frozenset(DETECTORS))
    inputs = read_inputs(scenario)
    return Situation(
        network=inputs.network,
        flows=inputs.flows,
        workloads=inputs.workloads,
        compute=scenario.compute,
        duration_ns=25 * S,
    )
