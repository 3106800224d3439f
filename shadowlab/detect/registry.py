"""The detectors by name.

In: nothing.  Out: ready detectors with their default settings; ``dataclasses.replace`` changes a setting.
A detector is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from shadowlab.detect.baseline import Baseline
from shadowlab.detect.level_shift import LevelShift
from shadowlab.detect.panel.of_table import TablePanel
from shadowlab.detect.zscore import ZScore
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.verdict import Anomaly


class Detector(Protocol):
    """Pure: the same table and baseline give the same anomalies, ordered by onset and subject."""

    @property
    def name(self) -> str: ...

    def detect(self, table: SeriesTable, baseline: Baseline) -> tuple[Anomaly, ...]: ...


DETECTORS: Mapping[str, Detector] = MappingProxyType(
    {detector.name: detector for detector in (ZScore(), LevelShift(), TablePanel())}
)
