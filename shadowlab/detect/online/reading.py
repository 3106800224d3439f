"""What every online detector says of a sample, and how its state is kept.

In: numbers.  Out: :class:`Reading`; a detector's state as plain values, and back.

A detector is a mutable dataclass whose fields are all it knows: its settings and its state.  So any of them can be
saved
as JSON and go on after a restart as though nothing had been.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np

Value = float | list[float]
LARGEST = 1e150
"""Larger values are refused: their squares have no place in a double."""


class Reading(NamedTuple):
    """``score`` is in [0, 1]; 0.5 is where the detector alone would speak.  ``p_value`` is the chance of so much under
    its own model of what is normal.  ``onset_ns`` is when what it sees began, None while it sees nothing."""

    score: float
    p_value: float
    onset_ns: int | None


QUIET = Reading(0.0, 1.0, None)
"""Of a missing value, and while a detector learns."""


@runtime_checkable
class Online(Protocol):
    """Time must not go back from one sample to the next.  A missing value is NaN, and changes nothing."""

    def observe(self, now_ns: int, value: Value) -> Reading: ...


def graded(size: float, limit: float) -> float:
    """A size from 0 up as a score: 0.5 at the limit, towards 1 above it."""
    return size / (size + limit) if size < math.inf else 1.0


def normal_tail(size: float) -> float:
    """The chance of a normal variable to be as far from 0, on either side."""
    return math.erfc(abs(size) / math.sqrt(2.0))


def scalar(value: Value) -> float:
    """The one number of a sample.  Raises ValueError for a vector of several."""
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError(f"this detector takes one value a sample, not {len(value)}")
        return value[0]
    return value


Detector = TypeVar("Detector")


def saved(detector: Any) -> dict[str, Any]:
    """All that a detector knows, as plain values that JSON can hold; what is marked as not saved is made again."""
    return {
        one.name: _plain(getattr(detector, one.name)) for one in fields(detector) if one.metadata.get("saved", True)
    }


def restored(fresh: Detector, state: dict[str, Any]) -> Detector:
    """The detector as it was saved, in a new one of its kind.  Raises ValueError for the state of another kind."""
    names = {one.name for one in fields(fresh) if one.metadata.get("saved", True)}  # type: ignore[arg-type]
    if names != set(state):
        odd = ", ".join(sorted(names ^ set(state)))
        raise ValueError(f"this is not the state of a {type(fresh).__name__}: {odd} differ")
    for name, value in state.items():
        held = getattr(fresh, name)
        setattr(fresh, name, restored(held, value) if is_dataclass(held) else _living(value))
    return fresh


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return saved(value)
    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "shape": list(value.shape)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {"pairs": [[key, _plain(one)] for key, one in value.items()]}
    return value


def _living(value: Any) -> Any:
    if isinstance(value, dict) and "array" in value:
        return np.array(value["array"], dtype=np.float64).reshape(value["shape"])
    if isinstance(value, dict):
        return {key: _living(one) for key, one in value["pairs"]}
    if isinstance(value, list):
        return [_living(one) for one in value]
    return value
