"""The online detectors on a run's indicators: steps of each in its bad direction, losses as counts.

In: a table of indicators, a baseline (its spread is the least that counts as a deviation).  Out: anomalies.
Never: a look ahead: each subject and indicator is heard in order of time, from the beginning of the baseline on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shadowlab.detect.baseline import Baseline, badness, judged
from shadowlab.detect.online.count_ratio import CountRatio
from shadowlab.detect.online.level_shift import LevelShift
from shadowlab.detect.panel.told import Told, said
from shadowlab.detect.threshold.policy import Policy
from shadowlab.detect.zscore import PROBES_SENT, columns_in
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.model.verdict import Anomaly


@dataclass(frozen=True, kw_only=True)
class TablePanel:
    """What a subject's indicators tell within ``together_ns`` of each other is one anomaly.

    Small steps are told by a sum of residuals, which takes neighbours for independent.  Values of an indicator that is
    a running mean (the kernel's smoothed round-trip time: RFC 6298) wander for many samples without any cause, so of
    those only large steps are told, of ``smoothed_limit`` deviations: three in a row are hardly more than one witness.

    What needs a witness to be said, and what load explains, is decided in :mod:`told`.
    """

    name: str = "panel"
    limit: float = 6.0
    smoothed_limit: float = 8.0
    hold: int = 3
    probes_per_window: int = 5
    together_ns: int = 30 * 10**9

    def detect(self, table: SeriesTable, baseline: Baseline) -> tuple[Anomaly, ...]:
        """The anomalies after the baseline's window, ordered by onset and subject."""
        columns = columns_in(baseline, table)
        told: list[Told] = []
        for index in range(len(table.subjects)):
            for kpi in judged(table):
                if kpi in baseline.centre and np.isfinite(baseline.centre[kpi][columns[index]]):
                    floor = float(baseline.spread[kpi][columns[index]])
                    if kpi == "loss":
                        told.extend(self._losses(table, index))
                    else:
                        told.extend(self._steps(table, kpi, index, floor, baseline.from_ns))
        told = [one for one in told if table.times_ns[one.row] > baseline.to_ns and one.onset_ns >= baseline.to_ns]
        of_subject: dict[int, list[Told]] = {}
        for one in said(told, table, self.together_ns):
            of_subject.setdefault(one.column, []).append(one)
        found = [
            anomaly
            for index, some in of_subject.items()
            for anomaly in self._anomalies(table.subjects[index], some, table)
        ]
        return tuple(sorted(found, key=lambda one: (one.onset_ns, one.path, one.detected_ns)))

    def _steps(self, table: SeriesTable, kpi: str, index: int, floor: float, settled_ns: int) -> Iterator[Told]:
        detector, bad = (
            LevelShift(limit=self.limit, hold=self.hold, floor=floor, related=0.0, bimodal=False),
            badness(kpi),
        )
        if KPIS[kpi].smoothed:
            detector.limit, detector.total = self.smoothed_limit, math.inf
        for row, value in enumerate(table.values[kpi][:, index].tolist()):
            if table.times_ns[row] <= settled_ns:
                continue
            before = detector.centre()
            reading = detector.observe(_began(table, row), value)
            moved = bad * (detector.centre() - before)
            if reading.score >= 0.5 and reading.onset_ns is not None and moved > 0:
                size = moved / max(detector.present_spread(), floor)
                slow = size < self.limit
                yield Told(
                    kpi=kpi, column=index, row=row, onset_ns=reading.onset_ns, score=reading.score, size=size, slow=slow
                )

    def _losses(self, table: SeriesTable, index: int) -> Iterator[Told]:
        detector, policy = CountRatio(), Policy()
        sent = table.values.get(PROBES_SENT)
        for row, loss in enumerate(table.values["loss"][:, index].tolist()):
            probes = float(sent[row, index]) if sent is not None else float(self.probes_per_window)
            lost = min(round(loss * probes), probes) if loss == loss and probes == probes else float("nan")
            now = _began(table, row)
            reading = detector.observe(now, [lost, probes])
            if policy.alarm(now, 2 * reading.score, None) and reading.onset_ns is not None:
                size = detector.limit * reading.score / max(1 - reading.score, 1e-6)
                yield Told(kpi="loss", column=index, row=row, onset_ns=reading.onset_ns, score=reading.score, size=size)

    def _anomalies(self, subject: str, told: list[Told], table: SeriesTable) -> Iterator[Anomaly]:
        while told:
            first = told[0]
            end = first.onset_ns + self.together_ns
            same = [one for one in told if one.onset_ns <= end]
            told = [one for one in told if one.onset_ns > end]
            now = [one for one in same if one.row == first.row]
            leading = max(now, key=lambda one: one.size)
            yield Anomaly(
                path=subject,
                onset_ns=min(one.onset_ns for one in same),
                detected_ns=int(table.times_ns[first.row]),
                score=round(max(one.size for one in same), 3),
                leading_kpi=leading.kpi,
                zscores={one.kpi: round(one.size, 3) for one in now},
                detector=self.name,
            )


def _began(table: SeriesTable, row: int) -> int:
    """A sample stands at the end of its window; what it sees began at the window's beginning."""
    return int(table.times_ns[max(row - 1, 0)])
