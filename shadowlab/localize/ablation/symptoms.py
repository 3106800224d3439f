"""The symptoms of every path in one window, and how likely one set of them is where another was predicted.

In: counts and levels per path.  Out: log-likelihoods.  Never: a run of its own.

Counts (probes lost, segments sent again) are compared by the negative binomial that a Poisson count has if its rate is
itself known from a count only (Gelman et al., Bayesian Data Analysis, 2.6): a short run cannot predict more sharply
than it measured.  Levels (delays, window, throughput) are shifts against a fault-free course, compared by Student's t
with four degrees of freedom, so that one strange path cannot decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WEIGHTS: Mapping[str, float] = {
    "delay_there_ms": 0.5,
    "delay_back_ms": 0.5,
    "latency_ms": 0.0,
    "latency_p95_ms": 0.5,
    "cwnd_segments": 0.5,
    "throughput_mbps": 0.5,
}
"""Delays there, back and in the tail tell in part the same, and so do window and throughput: they count half.  A round
trip tells nothing that both ways do not; it serves first sizes."""

MODEL_ERROR = 0.1
"""A shift is told that inexactly (standard deviation) however exactly it was measured: the shadow is no copy."""
_FREEDOM = 4.0
_PRIOR_PACKETS = 5.0
"""The fault-free rate weighs as many packets beside what a trial counted."""
_PRIOR_COUNT = 0.1
_LGAMMA = np.vectorize(math.lgamma, otypes=[np.float64])


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """Bad of all packets, shape (P,) each."""

    bad: Array
    sent: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Symptoms:
    """What P paths showed: ``counts`` by name; ``levels`` as shifts against the fault-free course, NaN: unknown."""

    counts: Mapping[str, Counted]
    levels: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise:
    """How things are without a fault: per count the usual rate and its dispersion (variance over mean, at least 1), per
    level the standard deviation of a shift between two fault-free windows, shape (P,)."""

    rates: Mapping[str, Array]
    dispersion: Mapping[str, float]
    levels: Mapping[str, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a trial leads to expect: rates with the packets they stand on, and shifts."""

    rates: Mapping[str, Array]
    packets: Mapping[str, Array]
    levels: Mapping[str, Array]


def predicted(one: Symptoms, noise: Noise) -> Predicted:
    """From what a trial showed."""
    rates, packets = {}, {}
    for name, counted in one.counts.items():
        packets[name] = counted.sent + _PRIOR_PACKETS
        rates[name] = (counted.bad + _PRIOR_COUNT + _PRIOR_PACKETS * noise.rates[name]) / packets[name]
    return Predicted(rates=rates, packets=packets, levels=one.levels)


def between(first: Predicted, second: Predicted, part: float) -> Predicted:
    """On the straight line from one to the other; beyond the second where ``part`` exceeds 1."""
    return Predicted(
        rates={name: np.clip(_line(first.rates[name], second.rates[name], part), 1e-6, 1.0) for name in first.rates},
        packets={name: np.minimum(first.packets[name], second.packets[name]) for name in first.packets},
        levels={name: _line(first.levels[name], second.levels[name], part) for name in first.levels},
    )


def _line(first: Array, second: Array, part: float) -> Array:
    result: Array = first + part * (second - first)
    return result


def log_likelihood(seen: Symptoms, expected: Predicted, noise: Noise) -> float:
    """Of what was seen, in natural logarithms."""
    total = 0.0
    for name, counted in seen.counts.items():
        told = _negative_binomial(counted, expected.rates[name], expected.packets[name])
        total += float(told.sum()) / noise.dispersion[name]
    for name, shift in seen.levels.items():
        total += WEIGHTS.get(name, 1.0) * float(np.nansum(_student(_scaled(shift, expected.levels[name], noise, name))))
    return total


def best_possible(seen: Symptoms, noise: Noise) -> tuple[float, int]:
    """The log-likelihood if every symptom had been predicted as it came, and how many symptoms there are: the model
    that explains each by a cause of its own."""
    total, values = 0.0, 0.0
    for name, counted in seen.counts.items():
        there = counted.sent > 0
        rate = np.clip(counted.bad / np.maximum(counted.sent, 1), 1e-6, 1.0)
        told = _negative_binomial(counted, rate, np.maximum(counted.sent, 1.0))
        total += float(told.sum()) / noise.dispersion[name]
        values += float(there.sum()) / noise.dispersion[name]
    for name, shift in seen.levels.items():
        total += WEIGHTS.get(name, 1.0) * float(np.nansum(_student(_scaled(shift, shift, noise, name))))
        values += WEIGHTS.get(name, 1.0) * float(np.isfinite(shift).sum())
    return total, max(round(values), 1)


def _scaled(seen: Array, expected: Array, noise: Noise, name: str) -> tuple[Array, Array]:
    """The deviation in standard deviations, and the standard deviation."""
    # By what was seen, not by what was expected: else whatever predicts less would be thought the sharper.
    sigma = np.sqrt(2 * noise.levels[name] ** 2 + (MODEL_ERROR * seen) ** 2)
    return (seen - expected) / sigma, sigma


def _student(scaled: tuple[Array, Array]) -> Array:
    """The logarithm of the density, up to a constant."""
    z, sigma = scaled
    result: Array = -0.5 * (_FREEDOM + 1) * np.log1p(z**2 / _FREEDOM) - np.log(sigma)
    return result


def _negative_binomial(counted: Counted, rate: Array, packets: Array) -> Array:
    """The logarithm of the probability of the counts, up to a term of theirs alone."""
    shape = rate * packets
    odds = packets / (packets + counted.sent)
    result: Array = (
        _LGAMMA(shape + counted.bad) - _LGAMMA(shape) + shape * np.log(odds) + counted.bad * np.log1p(-odds + 1e-12)
    )
    return np.where(counted.sent > 0, result, 0.0)
