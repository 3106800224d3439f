"""Queues that drop what waits take everything from few flows: nothing beside them is blamed for that."""

from __future__ import annotations

import pytest

from benchmarks.localized.fat_tree import fat_tree
from benchmarks.localized.scenes import SCENES, trace
from shadowlab.localize.settings import DEFAULTS
from shadowlab.localize.verdict import localise


@pytest.mark.parametrize("seed", [1, 3])
def test_what_a_queue_took_from_few_flows_is_not_blamed_on_others(seed: int) -> None:
    scene = next(one for one in SCENES if one.name == "queue, skewed")
    made = trace(scene, fat_tree(6), seed, flows=12_000)

    found = localise(made.seen, DEFAULTS)

    assert {one.name for one in found.suspects} <= {str(made.seen.components[one]) for one in made.bad}


@pytest.mark.parametrize("seed", [28, 43])
def test_what_the_search_gave_up_hides_none_of_its_picks(seed: int) -> None:
    scene = next(one for one in SCENES if one.name == "queue, skewed")
    made = trace(scene, fat_tree(6), seed, flows=12_000)

    found = localise(made.seen, DEFAULTS)

    assert {one.name for one in found.suspects} == {str(made.seen.components[one]) for one in made.bad}
