"""What the detectors of scikit-learn share: a window of vectors, a model fitted again now and then, graded scores.

In: vectors.  Out: readings.  Never: scikit-learn imported before the first fit.

A model is fitted to the vectors that came before the one it judges.  It is not part of the saved state: it is fitted
again, with the same seed, from the saved window.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.online.ordered import Ordered
from shadowlab.detect.online.reading import QUIET, Reading, Value, graded
from shadowlab.errors import CannotRunError

EMBEDDED = 4
"""A single series is judged by its last values together."""


def require(name: str) -> None:
    """Raises CannotRunError if scikit-learn is not there."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise CannotRunError(
            f"detector {name} needs scikit-learn, which is not installed: pip install 'shadowlab[ml]'"
        ) from None


@dataclass(slots=True)
class Learned(ABC):
    """The oddness of the last samples, ``odd``, is the scale for the next: half at ``limit`` robust deviations
    over their
    median."""

    memory: int = 512
    every: int = 128
    warm: int = 128
    limit: float = 6.0
    recent: list[float] = field(default_factory=list)
    vectors: list[list[float]] = field(default_factory=list)
    odd: Ordered = field(default_factory=lambda: Ordered(length=256))
    fitted_at: int = -1
    count: int = 0
    since_ns: int | None = None
    model: Any = field(default=None, metadata={"saved": False})

    @abstractmethod
    def fit(self, past: NDArray[np.float64]) -> Any:
        """A fitted estimator of scikit-learn for vectors, shape (N, d)."""

    def observe(self, now_ns: int, value: Value) -> Reading:
        x = self._vector(value)
        if x is None:
            return QUIET
        if self.vectors and len(x) != len(self.vectors[0]):
            raise ValueError(f"this detector learned vectors of {len(self.vectors[0])} values, and now gets {len(x)}")
        self.count += 1
        reading = self._judged(now_ns, x) if len(self.vectors) >= self.warm else QUIET
        self.vectors.append(x)
        if len(self.vectors) > self.memory:
            del self.vectors[0]
        return reading

    def _judged(self, now_ns: int, x: list[float]) -> Reading:
        if self.model is None or self.count - self.fitted_at >= self.every:
            past = np.array(self.vectors)
            self.model, self.fitted_at = self.fit(past), self.count
        odd = -float(self.model.score_samples(np.array([x]))[0])
        known = len(self.odd.ring)
        reading = QUIET
        if known >= 32:
            size = max(0.0, (odd - self.odd.median()) / max(self.odd.spread(), 1e-6))
            told = size >= self.limit
            self.since_ns = (now_ns if self.since_ns is None else self.since_ns) if told else None
            over = known - sum(one < odd for one in self.odd.ring)
            reading = Reading(graded(size, self.limit), (over + 1) / (known + 1), self.since_ns)
        self.odd.push(odd)
        return reading

    def _vector(self, value: Value) -> list[float] | None:
        if isinstance(value, list) and len(value) > 1:
            return None if any(one != one for one in value) else list(value)
        x = value[0] if isinstance(value, list) else value
        if x != x:
            self.recent.clear()
            return None
        self.recent.append(x)
        del self.recent[:-EMBEDDED]
        return self.recent[:] if len(self.recent) == EMBEDDED else None
