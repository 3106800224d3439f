"""How the random part of a delay is distributed, and the tables by which netem draws it.

In: the name of a distribution, or quantiles of measured delays.  Out: netem's table: 16-bit integers in 1/8192 of what
netem calls jitter, one for each of 4096 equally likely cases.  Never: a file of iproute2; never a tail cut off.

netem draws ``mean + jitter * table[random] / 8192``.  A 16-bit table ends at four times the jitter, where a Pareto
distribution has not ended by far.  So a table with a longer tail is compressed by a factor, its ``stretch``, and the
jitter that is sent is larger by the same factor: the product is exact.
Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple

Distribution = Literal["uniform", "normal", "pareto", "paretonormal", "empirical"]

TABLE_SCALE = 8192
TABLE_SIZE = 4096
_MOST = 32767
"""Of a table's entries, either way."""
_PARETO_SHAPE = 3.0
_TAIL_CASES = 8
_PARETO_PART = 0.75
"""Of ``paretonormal``, which is a quarter normal: iproute2's mixture of quantiles."""


class JitterTable(NamedTuple):
    """netem's table (empty: none, netem's own uniform draw), and by how much the jitter sent exceeds the one meant."""

    entries: tuple[int, ...]
    stretch: float

    @property
    def least(self) -> float:
        """The smallest draw, in jitters from the mean (negative)."""
        return min(self.entries) / TABLE_SCALE * self.stretch if self.entries else -1.0

    @property
    def most(self) -> float:
        """The largest draw, in jitters from the mean."""
        return max(self.entries) / TABLE_SCALE * self.stretch if self.entries else 1.0


@dataclass(frozen=True, kw_only=True)
class JitterShape:
    """How delays scatter.  ``uniform``: evenly, jitter is half the width.  Any other: jitter is the standard deviation.

    ``reordering`` lets a packet overtake the one before it.  ``correlation`` is netem's: each draw is that share of
    the last one and the rest fresh, which makes the scatter smaller than the jitter stated.  ``table`` and ``stretch``
    belong to ``empirical`` (see :func:`standard_table`).
    """

    distribution: Distribution = "uniform"
    reordering: bool = False
    correlation: float = 0.0
    table: tuple[int, ...] = ()
    stretch: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.correlation <= 1.0:
            raise ValueError(f"jitter correlation must lie between 0 and 1 (0 % and 100 %), got {self.correlation:g}")
        if (self.distribution == "empirical") != bool(self.table):
            raise ValueError("an empirical distribution needs the samples it is made of, and no other takes any")
        if any(abs(entry) > _MOST for entry in self.table) or len(self.table) > 4 * TABLE_SIZE:
            raise ValueError(f"a jitter table has at most {4 * TABLE_SIZE} entries from {-_MOST} to {_MOST}")

    def jitter_table(self) -> JitterTable:
        """What netem is to draw from."""
        if self.distribution == "empirical":
            return JitterTable(self.table, self.stretch)
        return named_table(self.distribution)

    def describe(self) -> str:
        """What differs from even, ordered jitter."""
        words: list[str] = [self.distribution] if self.distribution != "uniform" else []
        words += ["reordering"] if self.reordering else []
        words += [f"correlated {self.correlation * 100:.3g} %"] if self.correlation else []
        return " ".join(words)


@cache
def named_table(distribution: Distribution) -> JitterTable:
    """The table of a distribution with a formula; ``uniform`` needs none."""
    if distribution == "uniform":
        return JitterTable((), 1.0)
    from statistics import NormalDist  # slow to import inside the guest, and few maps need it

    middles = [(number + 0.5) / TABLE_SIZE for number in range(TABLE_SIZE)]
    normal = [NormalDist().inv_cdf(middle) for middle in middles] if distribution != "pareto" else []
    # The mean of a Pareto distribution of shape a and least value 1 is a / (a - 1), its variance a / (a - 1)^2 (a - 2).
    spread = (_PARETO_SHAPE / (_PARETO_SHAPE - 2)) ** 0.5 / (_PARETO_SHAPE - 1)
    mean = _PARETO_SHAPE / (_PARETO_SHAPE - 1)
    pareto = [(value - mean) / spread for value in _pareto_cases()]
    if distribution == "normal":
        return standard_table(normal)
    if distribution == "pareto":
        return standard_table(pareto)
    if distribution == "paretonormal":
        mixed = zip(normal, pareto, strict=True)
        return standard_table([(1 - _PARETO_PART) * one + _PARETO_PART * other for one, other in mixed])
    raise ValueError(f"{distribution} has no formula")


def _pareto_cases() -> list[float]:
    """A Pareto distribution of least value 1 as equally likely cases, each the mean of its part of the distribution.

    The tail's last cases stand for values without end, which hold a sixteenth of the variance.  Left out, the table
    would have to be stretched to the stated deviation, and with it the whole body of the distribution.  So the last
    few have the mean *and* the variance of their part: all alike but for the greatest.
    """
    shape, size, last = _PARETO_SHAPE, TABLE_SIZE, _TAIL_CASES
    below = [shape / (shape - 1) * (1 - number / size) ** (1 - 1 / shape) for number in range(size + 1)]
    cases = [size * (low - high) for low, high in pairwise(below)]
    least = (last / size) ** (-1 / shape)
    middle = shape / (shape - 1) * least
    variance = shape / (shape - 2) * least**2 - middle**2
    step = (variance / (last - 1)) ** 0.5
    return [*cases[:-last], *[middle - step] * (last - 1), middle + (last - 1) * step]


@cache
def uniform_table() -> JitterTable:
    """Even draws by a table.  Needed only where a table was set before: netem cannot be told to forget one."""
    entries = ((2 * number + 1 - TABLE_SIZE) * TABLE_SCALE // TABLE_SIZE for number in range(TABLE_SIZE))
    return JitterTable(tuple(entries), 1.0)


def standard_table(quantiles: Sequence[float]) -> JitterTable:
    """Equally likely values (at least two that differ) as a table of mean 0 and standard deviation 1."""
    mean = sum(quantiles) / len(quantiles)
    deviation = (sum((value - mean) ** 2 for value in quantiles) / len(quantiles)) ** 0.5
    if not deviation > 0:
        raise ValueError("all values are the same: there is no distribution to be made of them")
    standard = [(value - mean) / deviation for value in quantiles]
    stretch = max(1.0, max(map(abs, standard)) * TABLE_SCALE / _MOST)
    return JitterTable(tuple(round(value * TABLE_SCALE / stretch) for value in standard), stretch)
