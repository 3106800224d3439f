"""One-class support vectors by scikit-learn (extra ``ml``): vectors outside the region of the past.

In: values or vectors.  Out: readings.  Never: features of different size unscaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.window.learned import Learned, require


@dataclass(slots=True)
class OneClass(Learned):
    """``part`` of the past may lie outside (B. Schölkopf et al., Neural Computation 2001)."""

    part: float = 0.02

    def __post_init__(self) -> None:
        require("one-class")

    def fit(self, past: NDArray[np.float64]) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import OneClassSVM

        return make_pipeline(StandardScaler(), OneClassSVM(nu=self.part, gamma="scale")).fit(past)
