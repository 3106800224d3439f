"""Distributions of sizes and times, by name or from data.

In: a name and its parameters, in the unit of whoever uses it (bytes, nanoseconds).  Out: draws, the mean, quantiles.
Never: a unit of its own.  Imported inside the guest: standard library only.

Every draw goes through the quantile function of one uniform number: a heavier load or a changed parameter moves each
draw, but never which draw belongs to which arrival.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from shadowlab.model.traffic.chance import Chance

Family = Literal["constant", "uniform", "exponential", "lognormal", "pareto", "weibull", "empirical"]

PARAMETERS: Mapping[Family, tuple[str, ...]] = {
    "constant": ("value",),
    "uniform": ("least", "most"),
    "exponential": ("mean",),
    "lognormal": ("median", "sigma"),
    "pareto": ("least", "most", "shape"),
    "weibull": ("scale", "shape"),
    "empirical": (),
}
"""What each family takes, in this order.  ``sigma`` and ``shape`` are pure numbers, the others have the unit."""
PURE = frozenset({"sigma", "shape"})


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """``parameters`` in the order of :data:`PARAMETERS`; ``points`` of an empirical one: (value, share at or below it),
    both ascending, the last share 1, straight lines between them, the first value with its own share as an atom.

    ``name`` keeps what the user called it (``web-search``); it is for people.
    """

    family: Family
    parameters: tuple[float, ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        wanted = PARAMETERS[self.family]
        if len(self.parameters) != len(wanted):
            raise ValueError(
                f"{self.family} takes {', '.join(wanted) or 'points only'}; got {len(self.parameters)} values"
            )
        for name, value in zip(wanted, self.parameters, strict=True):
            if not math.isfinite(value) or value < 0 or (value == 0 and (name in PURE or name in ("mean", "scale"))):
                raise ValueError(f"{self.family}: {name} must be finite and above zero, got {value:g}")
        if self.family in ("uniform", "pareto") and self.parameters[0] > self.parameters[1]:
            raise ValueError(f"{self.family}: least must not be above most")
        if self.family == "pareto" and self.parameters[0] <= 0:
            raise ValueError("pareto: least must be above zero")
        if self.family == "empirical":
            self._check_points()

    def _check_points(self) -> None:
        if not self.points:
            raise ValueError("empirical: give at least one point (value, share at or below it)")
        values, shares = [one[0] for one in self.points], [one[1] for one in self.points]
        if values != sorted(values) or shares != sorted(shares) or values[0] < 0 or shares[0] < 0:
            raise ValueError("empirical: values and shares must ascend from zero")
        if abs(shares[-1] - 1) > 1e-9:
            raise ValueError(f"empirical: the last share must be 1, got {shares[-1]:g}")

    def draw(self, chance: Chance) -> float:
        """The next value: at or above zero."""
        return self.quantile(chance.uniform())

    def whole(self, chance: Chance, *, least: int = 0) -> int:
        """The next value as a whole number, at least ``least``."""
        return max(least, round(self.draw(chance)))

    def quantile(self, share: float) -> float:
        """The value that a ``share`` in [0, 1) of all draws stays below."""
        return _QUANTILES[self.family](self, share)

    def mean(self) -> float:
        """The expected value: exact for the named families, over the straight lines for an empirical one."""
        one = self.parameters
        match self.family:
            case "constant" | "exponential":
                return one[0]
            case "uniform":
                return (one[0] + one[1]) / 2
            case "lognormal":
                return one[0] * math.exp(one[1] ** 2 / 2)
            case "weibull":
                return one[0] * math.gamma(1 + 1 / one[1])
            case "pareto":
                return _pareto_mean(*one)
            case "empirical":
                before = (self.points[0][0], 0.0)
                total = 0.0
                for point in self.points:
                    total += (before[0] + point[0]) / 2 * (point[1] - before[1])
                    before = point
                return total

    def scaled(self, factor: float) -> Distribution:
        """The distribution of ``factor`` times the value."""
        names = PARAMETERS[self.family]
        return Distribution(
            family=self.family,
            parameters=tuple(
                value if name in PURE else value * factor for name, value in zip(names, self.parameters, strict=True)
            ),
            points=tuple((value * factor, share) for value, share in self.points),
            name=self.name,
        )


def constant(value: float) -> Distribution:
    """Always the same."""
    return Distribution(family="constant", parameters=(value,))


def _pareto_mean(least: float, most: float, shape: float) -> float:
    if least == most:
        return least
    if shape == 1:
        return math.log(most / least) * least * most / (most - least)
    ratio = math.pow(least / most, shape)
    return (
        math.pow(least, shape)
        / (1 - ratio)
        * shape
        / (shape - 1)
        * (math.pow(least, 1 - shape) - math.pow(most, 1 - shape))
    )


def _pareto(one: Distribution, share: float) -> float:
    least, most, shape = one.parameters
    if least == most:
        return least
    return least * math.pow(1 - share * (1 - math.pow(least / most, shape)), -1 / shape)


def _lognormal(one: Distribution, share: float) -> float:
    median, sigma = one.parameters
    from statistics import NormalDist  # slow to import inside the guest, and few workloads need it

    return median * math.exp(sigma * NormalDist().inv_cdf(share)) if share > 0 else 0.0


def _empirical(one: Distribution, share: float) -> float:
    before = one.points[0]
    if share <= before[1]:
        return before[0]
    for point in one.points[1:]:
        if share <= point[1]:
            return before[0] + (point[0] - before[0]) * (share - before[1]) / (point[1] - before[1])
        before = point
    return before[0]


_QUANTILES: Mapping[Family, Callable[[Distribution, float], float]] = {
    "constant": lambda one, share: one.parameters[0],
    "uniform": lambda one, share: one.parameters[0] + share * (one.parameters[1] - one.parameters[0]),
    "exponential": lambda one, share: -one.parameters[0] * math.log1p(-share),
    "lognormal": _lognormal,
    "pareto": _pareto,
    "weibull": lambda one, share: one.parameters[0] * (-math.log1p(-share)) ** (1 / one.parameters[1]),
    "empirical": _empirical,
}
