"""Isolation forest by scikit-learn (extra ``ml``): vectors that random cuts set apart soon.

In: values or vectors.  Out: readings.  Never: another seed than 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.window.learned import Learned, require


@dataclass(slots=True)
class IsolationForest(Learned):
    """``trees`` of 256 vectors each (F. T. Liu et al., ICDM 2008)."""

    trees: int = 64

    def __post_init__(self) -> None:
        require("isolation-forest")

    def fit(self, past: NDArray[np.float64]) -> Any:
        from sklearn.ensemble import IsolationForest as Forest

        return Forest(n_estimators=self.trees, random_state=0).fit(past)
