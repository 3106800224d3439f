"""Made series with known truth, for the benchmark of detection.

In: a seed.  Out: values, shape (T,), and the rows at which something began.  Never: anything from a recorded series.
"""

from __future__ import annotations

from itertools import accumulate

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


def paths(seed: int, rows: int = 4000) -> Made:
    """Round-trip times as probes every few minutes meet them: a path that changes between a few levels, one change in
    some 300 samples, for long or for a handful of samples; skewed and correlated noise, wider by day; slow queues,
    spikes, timeouts (-3), and, as no changes, bursts in which some packets take another way.  A change of less than
    one and a half times the noise is none.
    """
    random = np.random.default_rng([seed, 77])
    base, sigma = random.uniform(15, 300), 10 ** random.uniform(-1.0, 0.3)
    values, changes, wide = _levels(random, rows, base, sigma)
    values += wide * _queueing(random, rows)
    for _ in range(int(random.poisson(random.choice([0, 1, 4])))):
        width = int(random.integers(15, 120))
        begin = int(random.integers(0, rows - width))
        values[begin : begin + width] += sigma * random.exponential(random.uniform(0.5, 4), width) * np.hanning(width)
    spikes = random.random(rows) < random.choice([0.001, 0.005, 0.02])
    values[spikes] += sigma * 4 + random.exponential(random.choice([3.0, 20.0]), int(spikes.sum()))
    values[random.random(rows) < random.choice([0, 0.0005])] = -3
    if random.random() < 0.5:
        away = random.choice([-1, 1, 1]) * 10 ** random.uniform(np.log10(max(1.0, 3 * sigma)), 1.2)
        for _ in range(int(random.integers(2, 20))):
            _two_minds(random, values, int(random.integers(8, 60)), away, random.uniform(0.3, 0.97))
    if random.random() < 0.25:
        away = random.choice([-1, 1]) * 10 ** random.uniform(0.5, 1.2)
        _two_minds(random, values, int(random.integers(100, 800)), away, random.uniform(0.2, 0.8))
    return values, changes


def _levels(random: np.random.Generator, rows: int, base: float, sigma: float) -> tuple[Array, list[int], Array]:
    """The levels of a path, where they change, and how wide the noise of each is."""
    many = int(random.integers(2, 7))
    away = 10 ** random.uniform(np.log10(max(0.5, sigma)), 1.4, many)
    levels = np.maximum(base + random.choice([-1, 1], many) * away, 3.0)
    levels[0] = base
    widths = sigma * 10 ** random.normal(0, 0.12, many)
    short, dwell = random.choice([0.1, 0.3, 0.6]), random.choice([300, 800, 2000])
    level, wide, changes = np.empty(rows), np.empty(rows), []
    at = now = home = 0
    while at < rows:
        if now != home and random.random() < 0.5:
            length = int(random.integers(3, 12) if random.random() < 0.5 else random.integers(8, 60))
        elif random.random() > short:
            length = int(np.clip(random.exponential(dwell), 20, 4000))
        else:
            length = int(random.integers(4, 80))
        level[at : at + length], wide[at : at + length] = levels[now], widths[now]
        at += length
        if at < rows:
            to = home if now != home and random.random() < 0.6 else int(random.integers(many))
            to = (now + 1) % many if to == now else to
            home = to if random.random() < 0.2 else home
            if abs(levels[to] - levels[now]) >= 1.5 * sigma:
                changes.append(at)
            now = to
    return level, changes, wide


def _queueing(random: np.random.Generator, rows: int) -> Array:
    """Noise of about 1: skewed, in part like its neighbours, wider by day (of 360 samples), wandering."""
    shape = random.choice([2.0, 4.0, 20.0])
    skewed = (random.gamma(shape, 1, rows) - shape) / np.sqrt(shape)
    alike, part = random.choice([0.0, 0.3, 0.6, 0.8]), random.uniform(0, 0.7)
    drawn = random.normal(0, np.sqrt(1 - alike**2), rows).tolist()
    likewise = np.array(list(accumulate(drawn, lambda before, one: alike * before + one)))
    days = random.uniform(0.3, 1.5, rows // 360 + 2)[np.arange(rows) // 360]
    day = np.maximum(0, np.sin(2 * np.pi * np.arange(rows) / 360 + random.uniform(0, 6.28)))
    busy = random.choice([0.0, 0.0, 0.3, 1.0]) * day * days
    slow = np.cumsum(random.normal(0, 1, rows))
    slow *= random.choice([0.0, 0.3, 0.8]) / slow.std()
    noise: Array = (np.sqrt(1 - part) * skewed + np.sqrt(part) * likewise) * (1 + busy) + busy + slow - slow.mean()
    return noise


def _two_minds(random: np.random.Generator, values: Array, width: int, away: float, part: float) -> None:
    begin = int(random.integers(0, len(values) - width))
    values[begin : begin + width][random.random(width) < part] += away


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
