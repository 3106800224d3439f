"""What telemetry says of a map: a value for each property of each direction, and what each value stands on.

In: plain values.  Out: a frozen :class:`Calibration` that fills a map, and can be kept as JSON and taken up again.
"""

from shadowlab.model.calibration.parts import (
    PROPERTIES,
    UNKNOWN,
    CalibratedDemands,
    Finding,
    FindingKind,
    InstanceCalibration,
    LinkCalibration,
    MatrixEntry,
    RefinementStep,
    Segment,
    Standing,
    Value,
)
from shadowlab.model.calibration.whole import FORMAT, Calibration, filled

__all__ = [
    "FORMAT",
    "PROPERTIES",
    "UNKNOWN",
    "CalibratedDemands",
    "Calibration",
    "Finding",
    "FindingKind",
    "InstanceCalibration",
    "LinkCalibration",
    "MatrixEntry",
    "RefinementStep",
    "Segment",
    "Standing",
    "Value",
    "filled",
]
