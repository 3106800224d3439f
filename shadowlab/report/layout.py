"""Where the nodes of a map are drawn.

In: a network.  Out: a position per node within the unit square or its proportion, from coordinates where the map has
them, by graph distance where it has none.  Always the same for the same network.  Never: chance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shadowlab.model.network import Network

Point = tuple[float, float]
_GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))
_ROUNDS = 60
_FAN = math.radians(50)


def place_nodes(network: Network) -> dict[str, Point]:
    """A point for every node.  A node that hangs on one placed neighbour is put beside it, away from the middle."""
    neighbours = _neighbours(network)
    placed = _by_coordinates(network)
    if len(placed) < 2 or len(set(placed.values())) < 2:
        core = [node.id for node in network.nodes if len(neighbours[node.id]) > 1] or [network.nodes[0].id]
        placed = _by_distance(core, neighbours)
    rest = [node.id for node in network.nodes if node.id not in placed]
    spread = max(max(x for x, _ in placed.values()) - min(x for x, _ in placed.values()), 1e-9)
    while rest:
        anchors = {one: anchor for one in rest if (anchor := next((n for n in neighbours[one] if n in placed), None))}
        if not anchors:
            for index, one in enumerate(rest):
                placed[one] = (spread * index / len(rest), -0.15 * spread)
            break
        _fan_out(anchors, placed, neighbours, 0.05 * spread)
        rest = [one for one in rest if one not in placed]
    return {node.id: placed[node.id] for node in network.nodes}


def _neighbours(network: Network) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {node.id: [] for node in network.nodes}
    for link in network.links:
        found[link.a].append(link.b)
        found[link.b].append(link.a)
    return found


def _by_coordinates(network: Network) -> dict[str, Point]:
    """Mercator's projection: north is up and shapes look as on other maps.  Of nodes at one spot the best connected
    keeps it; the others are placed beside."""
    degree = {name: len(others) for name, others in _neighbours(network).items()}
    taken: set[Point] = set()
    placed: dict[str, Point] = {}
    for node in sorted(network.nodes, key=lambda node: (-degree[node.id], node.id)):
        if node.latitude is None or node.longitude is None:
            continue
        latitude = math.radians(max(-85.0, min(85.0, node.latitude)))
        point = (math.radians(node.longitude), math.log(math.tan(math.pi / 4 + latitude / 2)))
        spot = (round(point[0], 4), round(point[1], 4))
        if spot not in taken:
            taken.add(spot)
            placed[node.id] = point
    return placed


def _fan_out(
    anchors: Mapping[str, str], placed: dict[str, Point], neighbours: Mapping[str, list[str]], radius: float
) -> None:
    """Put each node of ``anchors`` beside its anchor, siblings side by side in the widest gap between its links."""
    families: dict[str, list[str]] = {}
    for one, anchor in anchors.items():
        families.setdefault(anchor, []).append(one)
    settled = dict(placed)
    for anchor, family in families.items():
        x, y = settled[anchor]
        others = [settled[other] for other in neighbours[anchor] if other in settled and settled[other] != (x, y)]
        middle, gap = _widest_gap([math.atan2(other_y - y, other_x - x) for other_x, other_y in others])
        step = min(_FAN, gap / (len(family) + 1))
        for index, one in enumerate(family):
            angle = middle + (index - (len(family) - 1) / 2) * step
            placed[one] = (x + radius * math.cos(angle), y + radius * math.sin(angle))


def _widest_gap(angles: list[float]) -> tuple[float, float]:
    """The middle and the width of the widest sector without any of the ``angles``."""
    if not angles:
        return math.pi / 2, 2 * math.pi
    ordered = sorted(angles)
    gaps = [(after - before, before) for before, after in itertools.pairwise([*ordered, ordered[0] + 2 * math.pi])]
    width, start = max(gaps)
    return start + width / 2, width


def _by_distance(core: list[str], neighbours: Mapping[str, list[str]]) -> dict[str, Point]:
    """Stress majorisation: distances on paper come close to hops in the network, near ones counting most
    (Gansner, Koren and North, "Graph drawing by stress majorization", 2004)."""
    import numpy as np

    hops = _hops(core, neighbours)
    count = len(core)
    if count == 1:
        return {core[0]: (0.0, 0.0)}
    squared = hops**2
    centred = -0.5 * (squared - squared.mean(0) - squared.mean(1)[:, None] + squared.mean())
    values, vectors = np.linalg.eigh(centred)
    start = vectors[:, -2:][:, ::-1] * np.sqrt(np.maximum(values[-2:][::-1], 0.0))
    turn = np.arange(count) * _GOLDEN_ANGLE  # parts nodes that the distances do not tell apart
    points = start + 0.05 * np.stack((np.cos(turn), np.sin(turn)), axis=1)
    weights = np.where(np.eye(count, dtype=bool), 0.0, 1.0 / np.maximum(hops, 1.0) ** 2)
    pulls, totals = weights * hops, weights.sum(axis=1)[:, None]
    for _ in range(_ROUNDS):
        length = np.hypot(points[:, 0][:, None] - points[:, 0][None, :], points[:, 1][:, None] - points[:, 1][None, :])
        push = pulls / np.maximum(length, 1e-9)
        points = (weights @ points + push.sum(axis=1)[:, None] * points - push @ points) / totals
    if np.ptp(points[:, 1]) > np.ptp(points[:, 0]):
        points = points[:, ::-1]
    points = np.round(points / max(float(np.ptp(points[:, 0])), 1e-9), 5)
    return {name: (float(x), float(y)) for name, (x, y) in zip(core, points, strict=True)}


def _hops(core: list[str], neighbours: Mapping[str, list[str]]) -> NDArray[np.float64]:
    """Hops between all pairs, by growing every node's neighbourhood at once; parts not connected are set apart."""
    import numpy as np

    index = {name: position for position, name in enumerate(core)}
    near = np.zeros((len(core), len(core)), dtype=np.float32)
    for name in core:
        for other in neighbours[name]:
            if other in index:
                near[index[name], index[other]] = 1.0
    hops = np.full(near.shape, np.inf)
    reached = np.eye(len(core), dtype=bool)
    hops[reached] = 0.0
    for step in range(1, len(core)):
        fresh = (reached.astype(np.float32) @ near > 0) & ~reached
        if not fresh.any():
            break
        hops[fresh] = step
        reached |= fresh
    hops[np.isinf(hops)] = float(hops[~np.isinf(hops)].max()) + 2.0
    return hops
