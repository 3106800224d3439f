"""The reference detector of the concept: the largest z-score of the vector of differences to the baseline.

In: a table of indicators, a baseline.  Out: anomalies.  Never: a memory between two calls.

For every subject and window the differences between shadow and baseline (latency, loss, retransmission share, window,
throughput) are divided by the baseline's spread, signed so that positive is bad; the largest is the window's score.
An anomaly is a score at or above the threshold in ``hold`` windows in a row; it began with the first of them.  Loss
is a count and gets its z-score from ``counts``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.detect.baseline import Baseline, badness, judged
from shadowlab.detect.counts import LEAST_EXPECTED_SHARE, count_zscore
from shadowlab.detect.episodes import anomalies_from_scores
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Anomaly

Array = NDArray[np.float64]

PROBES_SENT = "probes_sent"
"""If the table has an array of this name, it counts the probes behind each loss; else ``probes_per_window`` does."""


@dataclass(frozen=True, kw_only=True)
class ZScore:
    """``loss_windows`` are the lengths, in windows, over which losses are counted."""

    name: str = "zscore"
    threshold: float = 4.0
    hold: int = 3
    probes_per_window: int = 5
    loss_windows: tuple[int, ...] = (10, 30)

    def detect(self, table: SeriesTable, baseline: Baseline) -> tuple[Anomaly, ...]:
        """The anomalies after the baseline's window, ordered by onset."""
        return anomalies_from_scores(
            table,
            self.zscores(table, baseline),
            since_ns=baseline.to_ns,
            threshold=self.threshold,
            hold=self.hold,
            detector=self.name,
            loss_lengths=self.loss_windows,
        )

    def zscores(self, table: SeriesTable, baseline: Baseline) -> Mapping[str, Array]:
        """The z-scores of every judged indicator, positive where it is worse than the baseline, shape (T, S)."""
        columns = columns_in(baseline, table)
        scores: dict[str, Array] = {}
        for kpi in judged(table):
            if kpi not in baseline.centre:
                continue
            if kpi == "loss":
                scores[kpi] = loss_zscores(
                    table, baseline, probes=self.probes_per_window, lengths=self.loss_windows, hold=self.hold
                )
                continue
            centre, spread = baseline.centre[kpi][columns], baseline.spread[kpi][columns]
            scores[kpi] = badness(kpi) * (table.values[kpi] - centre) / spread
        return scores


def columns_in(baseline: Baseline, table: SeriesTable) -> NDArray[np.intp]:
    """Where the baseline keeps each of the table's subjects.  Raises ValueError for a subject it never saw."""
    index = {subject: column for column, subject in enumerate(baseline.subjects)}
    missing = [subject for subject in table.subjects if subject not in index]
    if missing:
        raise ValueError(f"the baseline does not know {', '.join(missing[:5])}")
    return np.array([index[subject] for subject in table.subjects], dtype=np.intp)


def loss_zscores(table: SeriesTable, baseline: Baseline, *, probes: int, lengths: tuple[int, ...], hold: int) -> Array:
    """The z-scores of loss by counts.  Only windows after the baseline's are counted together."""
    loss = table.values["loss"]
    sent = np.broadcast_to(np.asarray(table.values.get(PROBES_SENT, float(probes)), dtype=np.float64), loss.shape)
    normal = baseline.centre["loss"][columns_in(baseline, table)]
    after = table.times_ns > baseline.to_ns
    scores = np.full(loss.shape, np.nan)
    expected = np.fmax(normal, LEAST_EXPECTED_SHARE)
    scores[after] = count_zscore(loss[after], sent[after], expected, lengths=lengths, hold=hold)
    scores[:, ~np.isfinite(normal)] = np.nan
    return scores
