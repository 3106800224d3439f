"""Symptoms imposed against symptoms observed, on numbers whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.localize.ablation.advice import advice, between_places
from shadowlab.localize.ablation.fit import Fit, fit, weigh
from shadowlab.localize.ablation.symptoms import Counted, Noise, Symptoms, log_likelihood, predicted
from shadowlab.model.diagnosis.ablation import CAP

PATHS, HIT = 8, 4
"""The first ``HIT`` of the paths cross the faulty link."""
NOISE = Noise(
    rates={"probes lost": np.full(PATHS, 1e-4)},
    dispersion={"probes lost": 1.0},
    levels={"delay_there_ms": np.full(PATHS, 0.2)},
)
CROSSES = np.arange(PATHS) < HIT


def symptoms(*, loss: float = 0.0, delay_ms: float = 0.0, sent: int = 1000, seed: int | None = None) -> Symptoms:
    """With a seed as they are measured, without as they are on average."""
    expected = sent * loss * CROSSES
    shift = delay_ms * CROSSES.astype(np.float64)
    if seed is not None:
        chance = np.random.default_rng(seed)
        expected, shift = chance.poisson(expected).astype(np.float64), shift + chance.normal(0, 0.2, PATHS)
    return Symptoms(
        counts={"probes lost": Counted(bad=expected.astype(np.float64), sent=np.full(PATHS, float(sent)))},
        levels={"delay_there_ms": shift},
    )


SOUND = symptoms()


def test_the_size_of_a_loss_is_found_between_the_sizes_that_were_tried() -> None:
    found = fit(symptoms(loss=0.02), NOISE, SOUND, {0.01: symptoms(loss=0.01), 0.04: symptoms(loss=0.04)})

    assert found.size == pytest.approx(0.02, rel=0.15)
    assert found.interval[0] < 0.02 < found.interval[1]


def test_of_a_kind_that_is_not_proportional_only_what_was_imposed_counts() -> None:
    tried = {0.04: symptoms(loss=0.04)}

    found = fit(symptoms(loss=0.02), NOISE, SOUND, tried, proportional=False)

    assert found.size == 0.04
    assert found.next_size == pytest.approx(0.02, rel=0.15)
    assert found.hoped > found.log_likelihood


def test_a_longer_way_is_measured_in_its_own_unit() -> None:
    tried = {10e6: symptoms(delay_ms=10)}

    found = fit(symptoms(delay_ms=12), NOISE, SOUND, tried)

    assert found.size == pytest.approx(12e6, rel=0.05)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), loss=st.sampled_from((0.01, 0.03, 0.1)))
def test_what_was_imposed_is_preferred_to_another_kind_and_to_nothing(seed: int, loss: float) -> None:
    seen = symptoms(loss=loss, seed=seed)
    fits = [
        fit(seen, NOISE, SOUND, {15e6: symptoms(delay_ms=15, seed=seed + 1)}),
        fit(seen, NOISE, SOUND, {0.02: symptoms(loss=0.02, seed=seed + 2)}),
    ]

    weighed = weigh(seen, NOISE, SOUND, fits, windows=14)

    assert weighed.order == (1, 0)
    assert weighed.necessity > 1
    assert weighed.lead > 1
    assert weighed.undecided == ()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_without_a_fault_none_is_needed(seed: int) -> None:
    seen = symptoms(seed=seed)

    weighed = weigh(seen, NOISE, SOUND, [fit(seen, NOISE, SOUND, {0.02: symptoms(loss=0.02)})], windows=14)

    assert weighed.necessity < 1


def test_explanations_that_fit_alike_are_not_told_apart() -> None:
    seen, same = symptoms(loss=0.02), {0.02: symptoms(loss=0.02)}

    weighed = weigh(seen, NOISE, SOUND, [fit(seen, NOISE, SOUND, same)] * 2, windows=14)

    assert (weighed.order, weighed.undecided, weighed.lead) == ((0, 1), (1,), 0.0)


def test_of_a_node_and_its_link_that_explain_alike_the_link_is_named() -> None:
    seen = symptoms(loss=0.02)
    node = fit(seen, NOISE, SOUND, {0.02: symptoms(loss=0.02)})

    weighed = weigh(seen, NOISE, SOUND, [node, node], windows=14, prices=[2.0, 0.0])

    assert weighed.order == (1, 0)
    assert weighed.undecided == (0,)
    assert weighed.lead == pytest.approx(2.0 / np.log(10))


def test_a_fault_that_leaves_half_of_the_symptoms_is_not_enough() -> None:
    seen = symptoms(loss=0.02, delay_ms=30)

    alone = weigh(seen, NOISE, SOUND, [fit(seen, NOISE, SOUND, {0.02: symptoms(loss=0.02)})], windows=14)
    both = weigh(seen, NOISE, SOUND, [fit(seen, NOISE, SOUND, {0.02: symptoms(loss=0.02, delay_ms=30)})], windows=14)

    assert alone.necessity > 1
    assert alone.sufficiency < 0 < both.sufficiency
    assert alone.standings[0].explained < 0.9 < both.standings[0].explained


def test_nothing_is_claimed_beyond_a_million_to_one() -> None:
    seen = symptoms(loss=0.5, sent=100_000)

    weighed = weigh(seen, NOISE, SOUND, [Fit(size=1, interval=(1, 1), log_likelihood=0.0)], windows=14)

    assert max(abs(weighed.necessity), abs(weighed.sufficiency)) <= CAP


def test_a_path_without_packets_or_delays_says_nothing() -> None:
    silent = Symptoms(
        counts={"probes lost": Counted(bad=np.zeros(PATHS), sent=np.zeros(PATHS))},
        levels={"delay_there_ms": np.full(PATHS, np.nan)},
    )

    assert log_likelihood(silent, predicted(SOUND, NOISE), NOISE) == 0


def test_advice_names_what_would_tell() -> None:
    (one,) = advice(("loss", "short queue"), ())

    assert one.startswith("loss or short queue: probes while the link is nearly idle")
    assert advice(("delay",), ("a probe from r1",)) == ("a probe from r1",)


def test_the_two_directions_of_a_link_are_told_apart_by_one_way_delays() -> None:
    link, other = frozenset({"a-b"}), frozenset({"b-c"})

    assert "one-way delays" in between_places(["a>b", "b>a"], [link, link], "delay")
    assert "a drain of one" in between_places(["a>b", "b>c"], [link, other], "delay")


def test_without_an_explanation_there_is_nothing_to_weigh() -> None:
    with pytest.raises(ValueError, match="no explanation"):
        weigh(SOUND, NOISE, SOUND, [], windows=14)
