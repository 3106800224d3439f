"""The panel over very many series at once: one call per moment, arrays over the series.

In: the moment, a value per series, shape (S,).  Out: scores and onsets, shape (S,).  Never: a loop over series.

The rules are those of ``panel``, kept in less than 1 kB a series: steps are those of ``level-shift`` (``steps`` looks
back over 120 values), the level is the median of 32 values instead of 60, the distance that bursts often reach is
tracked by steps (H. Robbins, S. Monro 1951) instead of from a window, a level that a slow sum found begins with the
last three values, and daily habits are not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.online.level_shift import LEAST_RELATIVE, LevelShift
from shadowlab.detect.online.new_extreme import SOFT, NewExtreme
from shadowlab.detect.online.ordered import QUARTILES_TO_STD
from shadowlab.detect.panel.panel import ALIKE, SILENT, STEADY, Panel

Array = NDArray[np.float64]
KEPT = 32
_YOUNG, _WARM, _SETTLED = 30, 12, 24
"""A level is young before so many values, unknown before so many, and no sum is taken against it before so many."""
_STEP, _WILD = LevelShift(), NewExtreme()
NO_ONSET = -(2**62)
"""Where nothing began."""


@dataclass(slots=True)
class Many:
    """``series`` of them; all arrays have that length first."""

    series: int
    ring: Array = field(init=False)
    last: Array = field(init=False)
    """The last three values, the newest first."""
    numbers: dict[str, Array] = field(init=False)
    times: dict[str, NDArray[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        if self.series < 1:
            raise ValueError(f"{self.series} series cannot be judged")
        self.ring = np.full((self.series, KEPT), np.inf)
        self.last = np.zeros((self.series, 3))
        zero = ("level_n", "spread", "wild", "pending", "side", "up", "down", "count", "mean", "steps", "part")
        self.numbers = {name: np.zeros(self.series) for name in zero}
        for name, value in (("low", np.inf), ("high", -np.inf), ("mean_low", np.inf), ("mean_high", -np.inf)):
            self.numbers[name] = np.full(self.series, value)
        self.numbers["told"] = np.full(self.series, -1e9)
        self.times = {name: np.zeros(self.series, dtype=np.int64) for name in ("since", "up_since", "down_since")}

    @property
    def bytes_per_series(self) -> float:
        """What is kept between two calls."""
        arrays = (self.ring, self.last, *self.numbers.values(), *self.times.values())
        return sum(one.nbytes for one in arrays) / self.series

    def observe(self, now_ns: int, values: Array) -> tuple[Array, NDArray[np.int64]]:
        """Scores in [0, 1], and onsets in ns (``NO_ONSET`` where there is none).  NaN scores 0 and changes nothing."""
        seen = np.isfinite(values)
        x = np.where(seen, values, self.last[:, 0])
        with np.errstate(over="ignore", invalid="ignore"):
            centre, spread = self._level()
            onset = self._step(now_ns, x, seen, centre, spread)
            extreme = self._extreme(x, seen)
            steady = self._steady(x, seen, centre, spread)
        n = self.numbers
        n["count"] += seen
        self.last[seen, 1:] = self.last[seen, :2]
        self.last[seen, 0] = x[seen]
        told = steady & (onset != NO_ONSET)
        score = np.where(steady, np.where(told, np.maximum(0.5, extreme), np.minimum(extreme, SILENT)), extreme)
        began = np.where(told, onset, np.where(~steady & (extreme >= 0.5), now_ns, NO_ONSET))
        return score, began.astype(np.int64)

    def _level(self) -> tuple[Array, Array]:
        known = np.minimum(self.numbers["level_n"], KEPT).astype(np.intp)
        ascending = np.sort(self.ring, axis=1)
        rows, last = np.arange(self.series), np.maximum(known - 1, 0)
        centre = np.where(known > 0, ascending[rows, np.minimum(known // 2, KEPT - 1)], 0.0)
        width = ascending[rows, last - last // 4] - ascending[rows, last // 4]
        own = np.where(known > 0, QUARTILES_TO_STD * width, 0.0)
        share = np.minimum(known, _YOUNG) / _YOUNG
        mixed = np.where(self.numbers["spread"] > 0, own * share + self.numbers["spread"] * (1 - share), own)
        return centre, np.maximum(mixed, np.maximum(LEAST_RELATIVE * np.abs(centre), 1e-9))

    def _push(self, which: NDArray[np.bool_], x: Array) -> None:
        rows = np.flatnonzero(which)
        place = self.numbers["level_n"][rows].astype(np.intp) % KEPT
        self.ring[rows, place] = x[rows]
        self.numbers["level_n"][rows] += 1

    def _step(self, now_ns: int, x: Array, seen: NDArray[np.bool_], centre: Array, spread: Array) -> NDArray[np.int64]:
        n, onset = self.numbers, np.full(self.series, NO_ONSET, dtype=np.int64)
        learning = seen & (n["spread"] == 0)
        ready = learning & (n["level_n"] >= _WARM)
        n["spread"][ready] = spread[ready]
        self._push(learning & ~ready, x)
        judged = seen & (n["spread"] > 0)
        distance = np.abs(x - centre)
        deviation = np.where(judged, (x - centre) / spread, 0.0)
        beyond = distance > n["wild"]
        n["wild"] = np.where(judged, np.maximum(n["wild"] + 0.2 * spread * (beyond - _STEP.wild_part), 0.0), n["wild"])
        limit = np.maximum(_STEP.limit * spread, np.where(n["count"] > 20, _STEP.wild_times * n["wild"], 0.0))
        far = judged & (distance >= limit)
        near = judged & ~far
        side = np.where(deviation > 0, 1.0, -1.0)
        fresh = far & (side != n["side"])
        self.times["since"][fresh] = now_ns
        n["pending"] = np.where(near | fresh, 0.0, n["pending"]) + far
        n["side"] = np.where(far, side, np.where(near, 0.0, n["side"]))
        self._push(near, x)
        settled = near & (n["level_n"] >= _SETTLED)
        clipped = np.where(settled, np.clip(deviation, -_STEP.clip, _STEP.clip), 0.0)
        for name, sign in (("up", 1.0), ("down", -1.0)):
            self.times[f"{name}_since"][settled & (n[name] == 0)] = now_ns
            n[name] = np.where(settled, np.maximum(0.0, n[name] + sign * clipped - _STEP.drift), n[name])
        largest = np.maximum(n["up"], n["down"])
        stepped = far & (n["pending"] >= _STEP.hold)
        summed = near & (largest >= _STEP.total)
        onset[stepped] = self.times["since"][stepped]
        since = np.where(n["up"] >= n["down"], self.times["up_since"], self.times["down_since"])
        onset[summed] = since[summed]
        self._begin(stepped | summed, x, spread)
        return onset

    def _begin(self, which: NDArray[np.bool_], x: Array, spread: Array) -> None:
        rows, n = np.flatnonzero(which), self.numbers
        if not rows.size:
            return
        self.ring[rows] = np.inf
        self.ring[rows, 0], self.ring[rows, 1], self.ring[rows, 2] = x[rows], self.last[rows, 0], self.last[rows, 1]
        n["level_n"][rows], n["spread"][rows] = 3, spread[rows]
        for name in ("pending", "side", "up", "down"):
            n[name][rows] = 0.0

    def _extreme(self, x: Array, seen: NDArray[np.bool_]) -> Array:
        n = self.numbers
        at = n["count"]
        weight = 1 / np.where(at > _WILD.mean_of, _WILD.mean_of, at + 1)
        n["mean"] = np.where(seen, n["mean"] + weight * (x - n["mean"]), n["mean"])
        best = np.zeros(self.series)
        for value, low, high, margin in (
            (x, "low", "high", _WILD.value_margin),
            (n["mean"], "mean_low", "mean_high", _WILD.mean_margin),
        ):
            width = n[high] - n[low]
            width = np.where(width > 0, width, np.where(n[high] != 0, np.abs(n[high]), 1.0))
            part = np.maximum(value - n[high], n[low] - value) / width
            part = np.where(n[high] < n[low], 0.0, part)
            graded = 0.5 + 0.5 * np.where(np.isfinite(part), part / (part + SOFT), 1.0)
            best = np.maximum(best, np.where(part > margin, graded, 0.0))
            n[low] = np.where(seen, np.minimum(n[low], value), n[low])
            n[high] = np.where(seen, np.maximum(n[high], value), n[high])
        held = 1 - np.exp((n["told"] - at) / (_WILD.hold_off * np.maximum(at, 1)))
        score = np.where(seen & (at > _WILD.warm), best * held, 0.0)
        n["told"] = np.where(score > 0.2, at, n["told"])
        return score

    def _steady(self, x: Array, seen: NDArray[np.bool_], centre: Array, spread: Array) -> NDArray[np.bool_]:
        n = self.numbers
        known = seen & (centre != 0) | (n["count"] > 0)  # of a first value there is no level yet
        weight = np.where(seen & known, 1 / np.clip(n["count"], 1, Panel().memory), 0.0)
        difference = np.where(n["count"] > 0, np.minimum(np.abs(x - self.last[:, 0]) / spread, 6.0), 0.0)
        n["steps"] += weight * (difference - n["steps"])
        size = np.abs(centre)
        n["part"] += weight * (np.where(size > 0, np.minimum(spread / np.maximum(size, 1e-300), 1.0), 1.0) - n["part"])
        return (n["part"] <= STEADY) & ((n["steps"] >= ALIKE) | (n["part"] <= 1.5 * LEAST_RELATIVE))
