"""Where names are written on a map, so that they cover as little as possible.

In: boxes and lines in points.  Out: a place for each box.  Greedy: important names choose first.  Never: chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Point = tuple[float, float]
_DIRECTIONS = tuple((math.cos(turn * math.pi / 8), math.sin(turn * math.pi / 8)) for turn in range(16))
_ON_LABEL, _ON_NODE, _ON_LINE, _FAR = 40.0, 12.0, 2.0, 0.3
_STRIDE = 6.0


@dataclass(frozen=True, kw_only=True)
class Name:
    """A text box of ``size`` that belongs near ``at``, at one of the ``distances`` from it."""

    at: Point
    size: Point
    distances: tuple[float, ...]


def place_names(
    names: Sequence[Name], nodes: Sequence[Point], lines: Sequence[tuple[Point, Point]]
) -> tuple[Point, ...]:
    """The middle of each box.  Covering another name is worst, then a node, then a line, then being far away."""
    import numpy as np

    dots = np.array(nodes, dtype=np.float64).reshape(-1, 2)
    samples = np.array([spot for line in lines for spot in _along(line)], dtype=np.float64).reshape(-1, 2)
    taken: list[tuple[Point, Point]] = []
    for name in names:
        best, lowest = name.at, math.inf
        for distance in name.distances:
            for toward in _DIRECTIONS:
                middle = _beside(name, toward, distance)
                cost = _cost(middle, name.size, dots, samples, taken) + _FAR * distance - 0.05 * abs(toward[1])
                if cost < lowest - 1e-9:
                    best, lowest = middle, cost
        taken.append((best, name.size))
    return tuple(middle for middle, _ in taken)


def _along(line: tuple[Point, Point]) -> list[Point]:
    """Spots on the line, close enough that no box slips between them."""
    (x0, y0), (x1, y1) = line
    count = max(2, int(math.hypot(x1 - x0, y1 - y0) / _STRIDE))
    return [(x0 + (x1 - x0) * step / count, y0 + (y1 - y0) * step / count) for step in range(1, count)]


def _beside(name: Name, toward: Point, distance: float) -> Point:
    """The middle of the box that lies ``distance`` off its anchor in that direction, whichever border is nearest."""
    (x, y), (wide, high) = name.at, name.size
    across, upright = toward[0] * wide, toward[1] * high
    reach = (distance + wide / 2) / max(abs(across), 1e-9), (distance + high / 2) / max(abs(upright), 1e-9)
    return (x + across * min(reach), y + upright * min(reach))


def _cost(
    middle: Point,
    size: Point,
    dots: NDArray[np.float64],
    samples: NDArray[np.float64],
    taken: Sequence[tuple[Point, Point]],
) -> float:
    half = (size[0] / 2, size[1] / 2)

    def inside(points: NDArray[np.float64], slack: float) -> int:
        return int(((abs(points - middle) < (half[0] + slack, half[1] + slack)).all(axis=1)).sum())

    cost = _ON_NODE * inside(dots, 3.0) + _ON_LINE * inside(samples, 1.0)
    for (other_x, other_y), (wide, high) in taken:
        across = half[0] + wide / 2 + 1.5 - abs(middle[0] - other_x)
        upright = half[1] + high / 2 + 0.5 - abs(middle[1] - other_y)
        if across > 0 and upright > 0:
            cost += _ON_LABEL + across * upright
    return cost
