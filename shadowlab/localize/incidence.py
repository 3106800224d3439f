"""Which path crosses which component, components that no path tells apart merged into one class.

In: evidence per path.  Out: a frozen sparse incidence.  Never: a direction that no packet crossed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shadowlab.model.network import Direction
from shadowlab.model.verdict import PathEvidence

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Incidence:
    """``rows`` (class) and ``columns`` (path) list the crossings, sorted by class; ``starts`` is where a class begins.

    ``classes`` are the directions of each class, sorted; they come in the order of their first direction.
    """

    classes: tuple[tuple[Direction, ...], ...]
    rows: Indices
    columns: Indices
    starts: Indices

    @property
    def size(self) -> int:
        """How many classes."""
        return len(self.classes)

    def paths_of(self, index: int) -> Indices:
        """The paths that cross a class."""
        end = self.starts[index + 1] if index + 1 < self.size else len(self.columns)
        return self.columns[self.starts[index] : end]

    def sum(self, crossings: Array) -> Array:
        """Values per crossing added up per class."""
        total: Array = np.add.reduceat(crossings, self.starts)
        return total

    def medians(self, crossings: Array) -> Array:
        """The median of the values per crossing of each class (the lower one of an even number)."""
        order = np.lexsort((crossings, self.rows))
        counts = np.diff(np.append(self.starts, len(self.columns)))
        result: Array = crossings[order][self.starts + (counts - 1) // 2]
        return result


def build_incidence(evidence: Sequence[PathEvidence]) -> Incidence:
    """The crossings of all paths that carried a packet."""
    crossed: dict[Direction, list[int]] = {}
    for path, one in enumerate(evidence):
        if one.sent > 0:
            for direction in sorted(set(one.directions)):
                crossed.setdefault(direction, []).append(path)
    merged: dict[tuple[int, ...], list[Direction]] = {}
    for direction in sorted(crossed):
        merged.setdefault(tuple(crossed[direction]), []).append(direction)
    columns = [path for paths in merged for path in paths]
    lengths = np.array([len(paths) for paths in merged], dtype=np.intp)
    return Incidence(
        classes=tuple(tuple(directions) for directions in merged.values()),
        rows=np.repeat(np.arange(len(lengths)), lengths),
        columns=np.array(columns, dtype=np.intp),
        starts=np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.intp) if len(lengths) else lengths,
    )
