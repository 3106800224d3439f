"""The likelihood of shifted quantities: delays, and rates short of what was wanted; robustly.

In: observations, and one number per flow.  Out: for components the shift that explains most, and how much it explains.
Never: a mean that a few wild flows pull.

Delays add along a path.  Of the logarithm of the rate wanted over the rate that came the least link of a path decides;
of one slow link that is the same.  Huber's likelihood forgives outliers.  A flow is heard for the components that it
surely crosses: of one that may have taken several ways only those common to all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.localize.observations import Array, Indices, Lists, Observations
from shadowlab.localize.settings import Settings

HUBER = 2.5
"""Beyond this many deviations an outlier's weight stops growing."""
_STEPS = 12


@dataclass(frozen=True, kw_only=True)
class Scale:
    """``floor`` is the least noise of a value, ``model_error`` the share of it that the model cannot explain, ``least``
    the smallest shift worth a name, ``most`` the largest to be expected."""

    floor: float
    model_error: float
    least: float
    most: float


def delays(seen: Observations, settings: Settings) -> Shifts:
    """The excess of round trips over their base, in ns."""
    scale = Scale(
        floor=settings.delay_floor_ns, model_error=settings.delay_model_error, least=settings.least_delay_ns, most=1e10
    )
    return Shifts(seen, seen.excess_ns, seen.noise_ns, scale, settings.dispersion)


def shortfalls(seen: Observations, settings: Settings) -> Shifts:
    """The logarithm of the rate wanted over the rate that came."""
    scale = Scale(floor=0.1, model_error=settings.delay_model_error, least=settings.least_shortfall, most=10.0)
    return Shifts(seen, seen.shortfall, np.zeros(seen.flows), scale, settings.dispersion)


class Shifts:
    """The flows whose value is known, and what they cross.  ``picks`` are the shifts of the components picked."""

    def __init__(self, seen: Observations, values: Array, noise: Array, scale: Scale, dispersion: float) -> None:
        self.scale = scale
        self.size = len(seen.components)
        timed = np.flatnonzero(np.isfinite(values) & np.isfinite(noise))
        self.flows = timed
        self.excess = values[timed]
        spread = np.hypot(noise[timed], np.hypot(scale.floor, scale.model_error * self.excess))
        self.weight = 1 / spread / math.sqrt(dispersion)
        if not len(timed):
            self.crossed = self.row = np.zeros(0, dtype=np.int64)
            self.of = Lists(starts=np.zeros(self.size + 1, dtype=np.int64), values=self.row)
            self.picks: dict[int, float] = {}
            return
        used = np.bincount(seen.way[timed], minlength=len(seen.ways)) > 0
        way, component, share = seen.crossing_shares(used)
        sure = share > 1 - 1e-9
        of_way = Lists(
            starts=np.concatenate(([0], np.cumsum(np.bincount(way[sure], minlength=len(seen.ways))))).astype(np.int64),
            values=component[sure],
        )
        crossed, row = of_way.take(seen.way[timed])
        self.crossed, self.row = crossed, row
        order = np.argsort(crossed, kind="stable")
        counts = np.bincount(crossed, minlength=self.size)
        self.of = Lists(starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64), values=row[order])
        self.picks = {}

    def left(self, without: int | None = None) -> Array:
        """What the picks (but ``without``) do not explain of every flow's excess."""
        left = self.excess.copy()
        for index, shift in self.picks.items():
            if index != without:
                left[self.rows_of(index)] -= shift
        return left

    def log_likelihood(self) -> float:
        """Of the picks, without its constant."""
        return -float(huber(self.left() * self.weight).sum())

    def rows_of(self, component: int) -> Indices:
        """The timed flows that surely cross a component."""
        return self.of.values[self.of.starts[component] : self.of.starts[component + 1]]

    def promising(self, left: Array) -> NDArray[np.bool_]:
        """The components whose flows are shifted further than noise shifts them."""
        off = np.clip(left * self.weight, -HUBER, HUBER)
        total = np.bincount(self.crossed, off[self.row], minlength=self.size)
        count = np.bincount(self.crossed, minlength=self.size)
        promising: NDArray[np.bool_] = (total > 0) & (total**2 > 4 * count)
        return promising

    def best(self, components: Indices, left: Array) -> tuple[Array, Array]:
        """(shift, evidence) of each component; 0 and 0 where it is below the least worth a name.

        Huber's location by reweighting from the median; the evidence is the gain with the shift integrated out under a
        prior even in its logarithm.
        """
        row, place = self.of.take(components)
        count = len(components)
        if not len(row):
            return np.zeros(count), np.zeros(count)
        value, weight = left[row], self.weight[row]
        number = np.bincount(place, minlength=count)
        order = np.lexsort((value, place))
        starts = np.cumsum(number) - number
        shift = np.where(
            number > 0, value[order][np.minimum(starts + (np.maximum(number, 1) - 1) // 2, len(row) - 1)], 0.0
        )
        for _ in range(_STEPS):
            off = np.abs((value - shift[place]) * weight)
            pull = weight**2 * np.where(off > HUBER, HUBER / np.maximum(off, HUBER), 1.0)
            total = np.bincount(place, pull, minlength=count)
            shift = np.bincount(place, pull * value, minlength=count) / np.maximum(total, 1e-300)
        shift = np.maximum(shift, 0.0)
        gain = np.bincount(place, huber(value * weight) - huber((value - shift[place]) * weight), minlength=count)
        information = total * shift**2
        least = self.scale.least
        range_of_prior = math.log(math.log(self.scale.most / least))
        evidence = gain + 0.5 * np.log(2 * math.pi / np.maximum(information, 1.0)) - range_of_prior
        small = (shift < least) | (evidence < 0)
        return np.where(small, 0.0, shift), np.where(small, 0.0, evidence)

    def interval(self, component: int, shift: float, left: Array) -> tuple[float, float]:
        """Two standard errors of Huber's location either way."""
        rows = self.rows_of(component)
        off = np.abs((left[rows] - shift) * self.weight[rows])
        information = float((self.weight[rows] ** 2 * (off <= HUBER)).sum())
        error = 1.96 / math.sqrt(information) if information > 0 else math.inf
        return max(shift - error, 0.0), shift + error


def huber(off: Array) -> Array:
    """Half the square up to :data:`HUBER` deviations, a line beyond."""
    off = np.abs(off)
    return np.where(off <= HUBER, off * off / 2, HUBER * (off - HUBER / 2))
