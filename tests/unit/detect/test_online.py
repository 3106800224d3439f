"""Every online detector is bounded, forgets nothing over a restart, says nothing of calm, and finds what it is
made for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from shadowlab.detect.online.count_ratio import CountRatio
from shadowlab.detect.online.level_shift import LevelShift
from shadowlab.detect.online.reading import Online, Reading, Value, restored, saved
from shadowlab.detect.online.registry import ONLINE
from shadowlab.detect.online.steps import Steps
from shadowlab.detect.panel.many import NO_ONSET, Many
from shadowlab.detect.threshold.conformal import Conformal
from shadowlab.detect.threshold.discovery import Lord
from shadowlab.detect.threshold.policy import Policy, incidents
from shadowlab.errors import CannotRunError

S = 10**9
OWN = tuple(name for name in ONLINE if name not in ("isolation-forest", "one-class"))


def samples(name: str, seed: int, rows: int = 400, step_at: int = 10**9) -> list[Value]:
    """Calm, and from a row on trouble, as this detector takes it."""
    random = np.random.default_rng(seed)
    if ONLINE[name].takes == "counts":
        return [[float(random.random() < (0.2 if row >= step_at else 0.0)), 5.0] for row in range(rows)]
    noise = random.normal(0, 1, (rows, 3))
    noise[step_at:] += 12
    if ONLINE[name].takes == "vector":
        return [[10 + a, 20 + a + 0.2 * b, 30 + c] for a, b, c in noise.tolist()]
    return [float(100 + a) for a in noise[:, 0]]


def heard(detector: Online, values: list[Value], begin: int = 0) -> list[Reading]:
    return [detector.observe((begin + row) * S, value) for row, value in enumerate(values)]


@pytest.mark.parametrize("name", OWN)
def test_trouble_scores_above_calm_and_every_score_is_a_score(name: str) -> None:
    rows, at = 400, 300

    said = heard(ONLINE[name].fresh(), samples(name, 3, rows, at))

    assert all(0 <= one.score <= 1 and 0 <= one.p_value <= 1 for one in said)
    calm, trouble = max(one.score for one in said[200:at]), max(one.score for one in said[at : at + 40])
    assert trouble > calm
    if name not in ("panel", "new-extreme", "spectral-residual", "shapes"):
        told = [one.onset_ns for one in said[at:] if one.score >= 0.5 and one.onset_ns is not None]
        assert told
        assert abs(told[0] / S - at) <= (16 if name == "adwin" else 3)


@pytest.mark.parametrize("name", OWN)
def test_a_restart_changes_nothing(name: str) -> None:
    values = samples(name, 5, 300, 200)
    whole = heard(ONLINE[name].fresh(), values)
    first = ONLINE[name].fresh()
    heard(first, values[:190])

    second = restored(ONLINE[name].fresh(), json.loads(json.dumps(saved(first))))

    assert heard(second, values[190:], 190) == whole[190:]


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    "value",
    [lambda row: 7.0, lambda row: 0.0, lambda row: 1e150 * (-1) ** row, lambda row: math.nan if row % 3 else 1.0],
)
def test_odd_series_have_sound_answers(name: str, value: Callable[[int], float]) -> None:
    takes = ONLINE[name].takes
    if takes == "counts":
        values: list[Value] = [[abs(value(row)), abs(value(row))] for row in range(200)]
    else:
        values = [[value(row)] * 3 if takes == "vector" else value(row) for row in range(200)]

    said = heard(ONLINE[name].fresh(), values)

    assert all(0 <= one.score <= 1 and 0 <= one.p_value <= 1 for one in said)


@pytest.mark.parametrize("name", OWN)
def test_memory_is_bounded(name: str) -> None:
    detector = ONLINE[name].fresh()
    sizes = []
    for part in range(4):
        heard(detector, samples(name, part, 800), part * 800)
        sizes.append(len(json.dumps(saved(detector))))

    assert sizes[3] < 1.3 * sizes[1]


def test_a_step_back_after_four_samples_is_told_too() -> None:
    noise = np.random.default_rng(2).normal(0, 0.2, 300)
    noise[200:204] -= 8

    told = [one.onset_ns for one in heard(LevelShift(), [float(90 + one) for one in noise]) if one.score >= 0.5]

    assert told == [200 * S, 204 * S]


def test_spikes_shorter_than_the_hold_are_not_told() -> None:
    noise = np.random.default_rng(2).normal(0, 0.2, 300)
    noise[150:152] += 50

    assert not [one for one in heard(LevelShift(), [float(90 + one) for one in noise]) if one.score >= 0.5]


def told_rows(values: list[float]) -> list[int]:
    return [(one.onset_ns or 0) // S for one in heard(Steps(), list(values)) if one.score >= 0.5]


@pytest.mark.parametrize(("size", "width"), [(20.0, 4), (3.0, 60), (-3.0, 60), (20.0, 100)])
def test_a_step_of_any_size_is_told_where_it_was_if_it_lasts_long_enough(size: float, width: int) -> None:
    noise = 90 + np.random.default_rng(2).normal(0, 1, 400)
    noise[200 : 200 + width] += size

    told = told_rows(noise.tolist())

    assert len(told) == 2
    assert abs(told[0] - 200) <= 2
    assert abs(told[1] - 200 - width) <= 2


def test_a_path_of_two_minds_is_no_change_of_the_path() -> None:
    random = np.random.default_rng(4)
    noise = 170 + random.normal(0, 1, 3000)
    for begin in range(300, 2900, 250):
        noise[begin : begin + 40] += 9 * (random.random(40) < 0.6)

    by_level_shift = [one for one in heard(LevelShift(), noise.tolist()) if one.score >= 0.5]
    assert len(told_rows(noise.tolist())) <= 0.6 * len(by_level_shift)


def test_a_slow_queue_is_no_step() -> None:
    rows = np.arange(2000)
    noise = 50 + np.random.default_rng(5).normal(0, 0.3, 2000) + 0.6 * np.sin(rows / 120)

    assert not told_rows(noise.tolist())


def test_one_burst_of_loss_is_no_lossy_path_and_all_lost_is_one() -> None:
    burst = heard(CountRatio(), [[2.0 if row == 50 else 0.0, 5.0] for row in range(80)])
    cut = heard(CountRatio(), [[5.0 if row >= 50 else 0.0, 5.0] for row in range(53)])

    assert max(one.score for one in burst) < 0.5
    assert next(one.onset_ns for one in cut if one.score >= 0.5) == 50 * S


def test_losses_that_come_slowly_do_not_excuse_themselves() -> None:
    chance = np.random.default_rng(7)
    lost = [*np.zeros(60), *chance.binomial(5, 0.1, 60)]

    scores = [one.score for one in heard(CountRatio(), [[float(one), 5.0] for one in lost])]

    assert max(scores[:60]) < 0.5
    assert max(scores[60:90]) >= 0.5


def test_a_path_that_always_loses_some_is_as_usual() -> None:
    chance = np.random.default_rng(8)

    for _ in range(5):
        rows = [[float(one), 5.0] for one in chance.binomial(5, 0.01, 600)]
        assert max(one.score for one in heard(CountRatio(), rows)) < 0.5


def test_more_lost_than_sent_cannot_be() -> None:
    with pytest.raises(ValueError, match="6 lost of 5 sent"):
        CountRatio().observe(0, [6.0, 5.0])


def test_a_state_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not the state of a LevelShift"):
        restored(LevelShift(), saved(CountRatio()))


@pytest.mark.parametrize("name", ["isolation-forest", "one-class"])
def test_what_needs_scikit_learn_says_so_or_works(name: str) -> None:
    try:
        detector = ONLINE[name].fresh()
    except CannotRunError as error:
        assert "pip install 'shadowlab[ml]'" in str(error)
        return
    said = heard(detector, samples(name, 3, 300, 280))
    assert max(one.score for one in said[280:]) > max(one.score for one in said[250:280])


def test_conformal_p_values_are_uniform_without_a_fault_and_go_on_beyond_the_data() -> None:
    random = np.random.default_rng(7)
    layer = Conformal()
    scores = random.random(3000) * 0.5
    p_values = []
    for score in scores.tolist():
        p_values.append(layer.p_value(score))
        layer.learn(score)

    assert np.mean(np.array(p_values[200:]) <= 0.05) == pytest.approx(0.05, abs=0.015)
    assert layer.p_value(0.99) < 1e-6 < layer.p_value(0.4)


def test_false_discoveries_stay_below_the_rate() -> None:
    random = np.random.default_rng(11)
    shares = []
    for _ in range(40):
        faulty = random.random(500) < 0.1
        p_values = np.where(faulty, random.random(500) * 1e-6, random.random(500))
        lord = Lord(rate=0.1)
        found = np.array([lord.test(float(one)) for one in p_values])
        shares.append((found & ~faulty).sum() / max(found.sum(), 1))
        assert (found & faulty).sum() > 0.8 * faulty.sum()

    assert np.mean(shares) < 0.1


def test_an_episode_raises_one_alarm_and_a_new_onset_another() -> None:
    policy = Policy()

    parts = [0.1, 1.5, 2.0, 0.9, 1.2, 1.3, 0.1, 0.1, 0.1, 1.1]
    onsets = [None, 1, 1, None, 1, 5, None, None, None, 9]
    raised = [policy.alarm(row, part, onset) for row, (part, onset) in enumerate(zip(parts, onsets, strict=True))]

    assert raised == [False, True, False, False, False, True, False, False, False, True]


def test_alarms_that_begin_together_are_one_incident() -> None:
    found = incidents([(5, "b"), (1, "a"), (40, "a")], within_ns=10)

    assert [(one.onset_ns, one.subjects) for one in found] == [(1, ("a", "b")), (40, ("a",))]


def test_many_series_at_once_tell_the_step_of_each_and_keep_little() -> None:
    random = np.random.default_rng(5)
    moments = 60 + random.normal(0, 0.2, (400, 50))
    moments[250:, :25] += 4
    moments[100, 30] = np.nan
    many = Many(50)

    told: list[set[int]] = [set() for _ in range(50)]
    for row, moment in enumerate(moments):
        scores, onsets = many.observe(row * S, moment)
        assert ((scores >= 0) & (scores <= 1)).all()
        for series in np.flatnonzero(onsets != NO_ONSET).tolist():
            told[series].add(int(onsets[series]) // S)

    assert told == [{250}] * 25 + [set()] * 25
    assert many.bytes_per_series < 1024


def test_many_constant_or_wild_series_have_sound_answers() -> None:
    many = Many(4)
    for row in range(100):
        scores, _ = many.observe(row, np.array([7.0, 0.0, math.nan, 1e150 * (-1) ** row]))
        assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[:3].tolist() == [0, 0, 0]


def test_a_step_that_comes_daily_is_a_habit() -> None:
    noise = np.random.default_rng(9).normal(100, 0.05, 8 * 288)
    noise[np.arange(len(noise)) // 12 % 24 >= 12] += 10
    panel = ONLINE["panel"].fresh()

    said = [panel.observe(row * 300 * S, float(one)) for row, one in enumerate(noise)]
    told = [row // 144 for row, one in enumerate(said) if one.score >= 0.5 and one.onset_ns is not None]

    assert told == [1, 2, 3, 4]
