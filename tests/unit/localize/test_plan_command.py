"""``shadowlab localize --plan``: drains that tell apart what flows cannot, and cut nobody off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from wires import flows, network, write

from shadowlab.cli.main import main
from shadowlab.localize.file.read import read_observations
from shadowlab.localize.interventions.sequence import Step, plans
from shadowlab.localize.interventions.units import Wires
from shadowlab.localize.methods import METHODS
from shadowlab.localize.settings import DEFAULTS

BAD = "l0>s1"
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Typed:
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["localize", *map(str, words)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def unknown_ways(tmp_path: Path) -> Path:
    """Flows over equal ways of which nobody recorded which they took; one of the ways loses."""
    rng = np.random.default_rng(3)
    return write(tmp_path, [network(), *flows(rng, loss={BAD: 0.05}, known=False)])


def test_following_the_plan_leads_to_the_link_that_loses(unknown_ways: Path) -> None:
    read = read_observations(unknown_ways)
    found = METHODS["likelihood"](read.seen, DEFAULTS)
    (plan,) = plans(found, read.seen)

    step: Step | None = plan.first
    assert step is not None
    likeliest = ""
    while step is not None:
        guilty = next(unit.name for unit in plan.units if BAD in unit.links and not unit.fixed)
        share = 0.0 if guilty in step.drain else 1.0
        outcome = next(one for one in step.outcomes if one.share == share)
        likeliest, step = outcome.likeliest[0], outcome.then

    assert likeliest == guilty
    assert plan.steps <= 4


def test_what_has_no_way_round_it_is_not_drained(unknown_ways: Path) -> None:
    read = read_observations(unknown_ways)
    found = METHODS["likelihood"](read.seen, DEFAULTS)

    (plan,) = plans(found, read.seen)

    for unit in plan.units:
        assert unit.fixed == any(name in unit.name for name in ("host", "node l", ">h", "h0")), unit.name


def test_a_chain_is_cut_by_a_drain_and_a_ring_is_not() -> None:
    chain = {"a>b": ("a", "b"), "b>a": ("b", "a"), "b>c": ("b", "c"), "c>b": ("c", "b")}
    ring = chain | {"a>c": ("a", "c"), "c>a": ("c", "a")}

    assert Wires(chain).cut_by({"a>b"})
    assert Wires(chain).cut_by(set(chain))
    assert not Wires(ring).cut_by({"a>b"})
    assert not Wires(ring).cut_by({"a>b", "b>a"})
    assert Wires(ring).cut_by({"a>b", "a>c"})


def test_the_command_prints_the_plan(typed: Typed, unknown_ways: Path) -> None:
    code, words, _ = typed(unknown_ways, "--plan")
    _, document, _ = typed(unknown_ways, "--plan-weights", "--json")

    assert code == 0
    assert "drain l0>s" in words
    assert "if the bad flows are gone: " in words
    (plan,) = json.loads(document)["plans"]
    assert plan["first"]["bits"] > 0.5
    assert sum(one["probability"] for one in plan["candidates"]) == pytest.approx(1, abs=1e-4)


def test_a_method_without_probabilities_has_no_plan(typed: Typed, unknown_ways: Path) -> None:
    code, _, complaint = typed(unknown_ways, "--plan", "--method", "007")

    assert code == 2
    assert "--plan needs probabilities" in complaint
