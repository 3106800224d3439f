"""Made series with known truth, for the benchmark of detection.

In: a seed.  Out: values, shape (T,), and the rows at which something began.  Never: anything from a recorded series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Made = tuple[Array, list[int]]


def round_trips(seed: int, rows: int = 4000) -> Made:
    """Levels of 4 to 2500 samples, lognormal noise over a floor, single spikes, and bursts that are no change."""
    random = np.random.default_rng(seed)
    sigma, level = 10 ** random.uniform(-1.2, 0.3), random.uniform(20, 250)
    values, changes, at = np.empty(rows), [], 0
    while at < rows:
        end = min(rows, at + int(np.clip(random.exponential(400), 4, 2500)))
        values[at:end] = level + sigma * np.exp(random.normal(-0.5, 0.8, end - at))
        at = end
        if at < rows:
            changes.append(at)
            level = max(5.0, level + random.choice([-1, 1]) * sigma * random.uniform(3, 60))
    spikes = random.random(rows) < random.choice([0.002, 0.01, 0.02])
    values[spikes] += random.exponential(30 * sigma, int(spikes.sum())) + 5 * sigma
    for _ in range(int(random.integers(0, 4))):
        width = int(random.integers(15, 60))
        begin = int(random.integers(0, rows - width))
        values[begin : begin + width] += sigma * np.exp(random.normal(1.5, 1, width)) * (random.random(width) < 0.5)
    return values, changes


def calm(seed: int, rows: int) -> Made:
    """A round-trip time at rest: lognormal noise, one spike in two hundred."""
    random = np.random.default_rng(seed)
    values = 40 + 0.3 * np.exp(random.normal(0, 0.6, rows))
    spikes = random.random(rows) < 0.005
    values[spikes] += random.exponential(8, int(spikes.sum()))
    return values, []


def demand(seed: int, rows: int = 14 * 288) -> Made:
    """A load over two weeks of five minutes, high by day, less at the weekend; one hour of it twice as high."""
    random = np.random.default_rng(seed)
    hours = np.arange(rows) / 12
    day = 1 + 0.6 * np.sin(2 * np.pi * (hours - 9) / 24) - 0.2 * (hours // 24 % 7 >= 5)
    values = 100 * day * np.exp(random.normal(0, 0.05, rows))
    at = int(random.integers(rows // 2, rows - 12))
    values[at : at + 12] += 250
    return values, [at]


def losses(seed: int, rows: int = 1200, share: float = 0.02) -> tuple[Array, int]:
    """Lost of 200 sent a second, shape (T, 2), none until a row, then ``share`` of them."""
    random = np.random.default_rng(seed)
    at = int(random.integers(rows // 2, rows - 200))
    chance = np.where(np.arange(rows) < at, 0.0002, share)
    return np.stack([random.binomial(200, chance), np.full(rows, 200)], axis=1).astype(np.float64), at
