"""A covariance that can be inverted: learned sample by sample, shrunk towards its diagonal.

In: vectors.  Out: principal directions, their variances, and the split of a vector into what they explain and the rest.
Never: a singular matrix.

The shrinkage is that of Ledoit & Wolf for a diagonal target with the standard sample count, kept simple: the part
``d / (n + d)`` of the off-diagonal is given up, d dimensions, n samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _empty() -> Array:
    return np.zeros(0)


@dataclass(slots=True)
class Principal:
    """Directions explain ``share`` of the variance; they are found again every ``refit`` samples, from running moments
    with a memory of ``memory`` samples."""

    share: float = 0.9
    refit: int = 64
    memory: int = 2000
    count: int = 0
    mean: Array = field(default_factory=_empty)
    moment: Array = field(default_factory=_empty)
    directions: Array = field(default_factory=_empty)
    variances: Array = field(default_factory=_empty)
    scale: Array = field(default_factory=_empty)
    kept: int = 0

    def learn(self, x: Array) -> None:
        """Take a vector into the moments; its dimension is that of the first one."""
        if not self.count:
            self.mean, self.moment = x.copy(), np.zeros((len(x), len(x)))
        self.count += 1
        weight = 1 / min(self.count, self.memory)
        off = x - self.mean
        self.mean = self.mean + weight * off
        self.moment = (1 - weight) * (self.moment + weight * np.outer(off, off))
        if self.count % self.refit == 0:
            self._fit()

    def _fit(self) -> None:
        deviation = np.sqrt(np.diag(self.moment))
        self.scale = np.maximum(deviation, np.maximum(1e-3 * np.abs(self.mean), 1e-12))
        correlation = self.moment / np.outer(self.scale, self.scale)
        size = len(self.mean)
        shrunk = correlation * (1 - size / (self.count + size))
        np.fill_diagonal(shrunk, np.maximum(np.diag(correlation), 1e-6))
        values, vectors = np.linalg.eigh(shrunk)
        order = np.argsort(-values)
        self.variances, self.directions = np.maximum(values[order], 1e-9), np.ascontiguousarray(vectors[:, order])
        explained = np.cumsum(self.variances) / self.variances.sum()
        self.kept = min(int(np.searchsorted(explained, self.share)) + 1, size)

    def split(self, x: Array) -> tuple[float, float]:
        """T² (explained, in variances) and Q (squared rest, in scaled units) of a vector.  Call after a first fit."""
        along = self.directions.T @ ((x - self.mean) / self.scale)
        squares = along * along
        return float((squares[: self.kept] / self.variances[: self.kept]).sum()), float(squares[self.kept :].sum())

    def rest(self) -> tuple[float, float]:
        """Mean of Q, and its degrees of freedom when it is taken for a scaled chi-square (G. E. P. Box 1954)."""
        left = self.variances[self.kept :]
        if not left.size:
            return 0.0, 0.0
        total, squares = float(left.sum()), float((left * left).sum())
        return total, total * total / squares


def chi_square_tail(size: float, freedom: float) -> float:
    """The chance of a chi-square variable to be larger, by Wilson and Hilferty's cube root."""
    from math import erfc, sqrt

    if freedom <= 0 or size <= 0:
        return 1.0
    z = ((size / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / sqrt(2 / (9 * freedom))
    return 0.5 * erfc(z / sqrt(2.0))
