"""A robust detector: the running median moves by many deviations and stays.

In: a table of indicators, a baseline (its spread is the floor of the deviation).  Out: anomalies.
Never: a mean that one outlier can move.

Each value is compared with the median of the ``history`` windows that ended ``hold`` windows before it, in units of
their scaled median absolute deviation.  A slow drift is followed and not reported; a step is, since when it came, and
the episode ends when the new level has become the history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from shadowlab.detect.baseline import Baseline, badness, judged, median_mad
from shadowlab.detect.episodes import anomalies_from_scores
from shadowlab.detect.zscore import columns_in, loss_zscores
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Anomaly

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LevelShift:
    """``history`` is the length of the running median, in windows."""

    name: str = "level-shift"
    threshold: float = 5.0
    hold: int = 4
    history: int = 30
    probes_per_window: int = 5
    loss_windows: tuple[int, ...] = (10, 30)

    def detect(self, table: SeriesTable, baseline: Baseline) -> tuple[Anomaly, ...]:
        """The anomalies after the baseline's window, ordered by onset."""
        columns = columns_in(baseline, table)
        scores: dict[str, Array] = {}
        for kpi in judged(table):
            if kpi not in baseline.centre:
                continue
            if kpi == "loss":
                scores[kpi] = loss_zscores(
                    table, baseline, probes=self.probes_per_window, lengths=self.loss_windows, hold=self.hold
                )
            else:
                scores[kpi] = badness(kpi) * self._deviations(table.values[kpi], baseline.spread[kpi][columns])
        return anomalies_from_scores(
            table,
            scores,
            since_ns=baseline.to_ns,
            threshold=self.threshold,
            hold=self.hold,
            detector=self.name,
            loss_lengths=self.loss_windows,
        )

    def _deviations(self, values: Array, floor: Array) -> Array:
        """Deviation of each value from its running median, in robust standard deviations, shape (T, S)."""
        rows, subjects = values.shape
        result = np.full(values.shape, np.nan)
        lag = self.history + self.hold - 1
        if rows <= lag:
            return result
        for column in range(subjects):
            history = sliding_window_view(values[:, column], self.history)[: rows - lag]
            middle, deviation = median_mad(history.T)
            enough = np.count_nonzero(np.isfinite(history), axis=1) * 2 >= self.history
            spread = np.maximum(deviation, floor[column])
            result[lag:, column] = np.where(enough, (values[lag:, column] - middle) / spread, np.nan)
        return result
