"""Which links a set of measurements can tell apart, and which only together.

In: a matrix of which measurement crosses which link.  Out: for each link whether its value can be known, and the groups
of those that cannot.  Never: a value.

A value is identifiable if its unit vector lies in the row space of the matrix; the others are grouped by the null
space: two links are in one group if raising one can be made up for by the other, directly or by way of third ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from shadowlab.calibrate.links.algebra.large import distinct_rows, null_projector

_SURE = 0.995
"""Of a unit vector's squared length within the row space."""
_TIED = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Classes:
    """Of K columns: ``crossed`` at all, ``known`` by themselves, and ``groups`` of column numbers that are not."""

    crossed: NDArray[np.bool_]
    known: NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]


def classes_of(matrix: NDArray[np.float64]) -> Classes:
    """Of a matrix of shape (measurements, K)."""
    columns = matrix.shape[1]
    crossed = np.asarray((matrix > 1e-9).any(axis=0), dtype=np.bool_)
    known = np.zeros(columns, dtype=np.bool_)
    places = np.flatnonzero(crossed)
    if not len(places):
        return Classes(crossed=crossed, known=known, groups=())
    null = null_projector(distinct_rows(np.round(matrix[:, places], 9)))
    sure = np.diag(null) < 1 - _SURE
    known[places] = sure
    return Classes(crossed=crossed, known=known, groups=_groups(null, sure, places))


def _groups(
    null: NDArray[np.float64], sure: NDArray[np.bool_], places: NDArray[np.intp]
) -> tuple[tuple[int, ...], ...]:
    unsure = np.flatnonzero(~sure)
    if not len(unsure):
        return ()
    count, which = connected_components(np.abs(null[np.ix_(unsure, unsure)]) > _TIED, directed=False)
    found = [tuple(int(places[one]) for one in unsure[which == number]) for number in range(count)]
    return tuple(sorted(found))
