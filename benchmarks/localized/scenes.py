"""Traffic and faults on a fat-tree, by seed: what a fault does to packets, drawn flow by flow.

In: a scene's name and a seed.  Out: observations and the truth.  Sizes, rates of good links and the skew are those of
the generator that belongs to Harsh et al., "Flock" (CoNEXT 2023): sizes Pareto of shape 1.05, cut at 100 MB, with a
mean of 200 kB (theirs states the mean before the cut), packets of 1500 bytes; a good link loses 0 to 0.01 %, evenly;
skewed traffic has half of its ends in a twentieth of the racks.  Ours: the queues, in which a misconfigured one drops
1 to 4 % of what waits longer than 1 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.localized.fat_tree import NONE, FatTree, lists_from
from shadowlab.localize.observations import Lists, Observations

FLOWS = 75_000
GOOD = 1e-4
STRONG, WEAK = (0.002, 0.01), (0.0005, 0.002)
_PACKET_BYTES = 1500
_MEAN_BYTES = 200 * 1024
_SHAPE = 1.05
_USUAL_WAIT_NS = 0.3 * 2e6 + 0.7 * 2e4
_MOST_BYTES = 100 * 2**20


@dataclass(frozen=True, kw_only=True)
class Scene:
    """``rates`` of the bad links (None: none are bad), or of the links of a bad node; ``queue``: they drop only what
    waits; ``timed``: round trips
    are known; ``known``: the flows' ways are."""

    name: str
    rates: tuple[float, float] | None
    skewed: bool = False
    node: bool = False
    queue: bool = False
    timed: bool = False
    known: bool = True


SCENES = (
    Scene(name="strong", rates=STRONG),
    Scene(name="weak", rates=WEAK),
    Scene(name="strong, skewed", rates=STRONG, skewed=True),
    Scene(name="weak, skewed", rates=WEAK, skewed=True),
    Scene(name="node", rates=STRONG, node=True),
    Scene(name="node, skewed", rates=STRONG, node=True, skewed=True),
    Scene(name="queue", rates=(0.01, 0.04), queue=True, timed=True),
    Scene(name="queue, skewed", rates=(0.01, 0.04), queue=True, timed=True, skewed=True),
    Scene(name="strong, timed", rates=STRONG, timed=True),
    Scene(name="clean", rates=None),
    Scene(name="clean, skewed", rates=None, skewed=True),
    Scene(name="strong, ways unknown", rates=STRONG, known=False),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """Observations, and the components that are bad (indices)."""

    seen: Observations
    bad: tuple[int, ...]


def trace(scene: Scene, tree: FatTree, seed: int, flows: int = FLOWS) -> Trace:
    """One trace: 1 to 8 bad links (or 1 or 2 bad nodes), by ``seed``."""
    rng = np.random.default_rng([seed, *scene.name.encode()])
    source, target = _ends(tree, rng, flows, skewed=scene.skewed)
    half = tree.degree // 2
    choice = rng.integers(half * half, size=flows)
    crossed = tree.crossed(source, target, choice)
    rate = rng.uniform(0, GOOD, len(tree.components))
    rate[tree.links :] = 0.0
    bad, links = _faults(scene, tree, rng)
    queue = np.zeros_like(rate)
    if scene.rates is not None:
        (queue if scene.queue else rate)[links] = rng.uniform(*scene.rates, len(links))
    sent = np.ceil(_sizes(rng, flows) / _PACKET_BYTES)
    there = crossed != NONE
    waits = np.where(there & (crossed < tree.links), _waits(rng, crossed.shape), 0.0)
    waiting = waits > 1e6
    rates = rate[crossed] * there + queue[crossed] * (there & waiting)
    lost = rng.binomial(sent.astype(np.int64), -np.expm1(-rates.sum(axis=1))).astype(np.float64)
    usual = _USUAL_WAIT_NS * (there & (crossed < tree.links)).sum(axis=1)
    excess = waits.sum(axis=1) - usual if scene.timed else np.full(flows, np.nan)
    ways, paths, shares = (
        (lists_from(np.arange(flows)[:, None]), lists_from(crossed), np.ones(flows))
        if scene.known
        else _candidates(tree, source, target)
    )
    seen = Observations(
        components=tree.components,
        paths=paths,
        ways=ways,
        shares=shares,
        way=np.arange(flows),
        sent=sent,
        bad=lost,
        excess_ns=excess,
        noise_ns=np.full(flows, 2e6),
        shortfall=np.full(flows, np.nan),
        utilisation=np.full(len(tree.components), np.nan),
    )
    return Trace(seen=seen, bad=bad)


def _candidates(
    tree: FatTree, source: NDArray[np.int64], target: NDArray[np.int64]
) -> tuple[Lists, Lists, NDArray[np.float64]]:
    """All equal ways of every flow."""
    half = tree.degree // 2
    far = source // half**2 != target // half**2
    beyond = source // half != target // half
    number = np.where(far, half * half, np.where(beyond, half, 1))
    flow = np.repeat(np.arange(len(source)), number)
    starts = np.concatenate(([0], np.cumsum(number))).astype(np.int64)
    within = np.arange(len(flow)) - starts[flow]
    choice = np.where(far[flow], within, within * half)
    paths = lists_from(tree.crossed(source[flow], target[flow], choice))
    return Lists(starts=starts, values=np.arange(len(flow))), paths, 1 / number[flow]


def _sizes(rng: np.random.Generator, flows: int) -> NDArray[np.float64]:
    """By the inverse of the cut distribution function, so scaled that the mean of what is drawn is as stated."""
    scale = _least_bytes()
    tail = (scale / _MOST_BYTES) ** _SHAPE
    sizes: NDArray[np.float64] = scale * (1 - rng.random(flows) * (1 - tail)) ** (-1 / _SHAPE)
    return sizes


def _least_bytes() -> float:
    """The least size of a Pareto distribution cut at ``_MOST_BYTES`` whose mean is ``_MEAN_BYTES``: bisection."""
    low, high = 1.0, float(_MEAN_BYTES)
    for _ in range(60):
        least = (low + high) / 2
        ratio = least / _MOST_BYTES
        mean = _SHAPE / (_SHAPE - 1) * least * (1 - ratio ** (_SHAPE - 1)) / (1 - ratio**_SHAPE)
        low, high = (least, high) if mean < _MEAN_BYTES else (low, least)
    return low


def _waits(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """How long a flow waits in each queue it crosses, in ns: 20 µs on average, where it is busy (three in ten) 2 ms."""
    return rng.exponential(np.where(rng.random(shape) < 0.3, 2e6, 2e4))


def _ends(
    tree: FatTree, rng: np.random.Generator, flows: int, *, skewed: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    hosts, half = len(tree.hosts), tree.degree // 2
    racks = hosts // half
    busy = rng.choice(racks, max(1, racks // 20), replace=False)

    def draw(count: int) -> NDArray[np.int64]:
        anywhere = rng.integers(hosts, size=count)
        if not skewed:
            return anywhere
        inside = busy[rng.integers(len(busy), size=count)] * half + rng.integers(half, size=count)
        return np.where(rng.random(count) < 0.5, inside, anywhere)

    source, target = draw(flows), draw(flows)
    while (same := source == target).any():
        target[same] = draw(int(same.sum()))
    return source, target


def _faults(scene: Scene, tree: FatTree, rng: np.random.Generator) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """The bad components, and the links by which they are bad."""
    if scene.rates is None:
        return (), np.zeros(0, dtype=np.int64)
    if not scene.node:
        links = rng.choice(tree.links, int(rng.integers(1, 9)), replace=False)
        return tuple(sorted(int(one) for one in links)), links
    switches = np.concatenate([tree.edges, tree.aggregations, tree.cores])
    chosen = rng.choice(switches, int(rng.integers(1, 3)), replace=False)
    index = {one.name: place for place, one in enumerate(tree.components[: tree.links])}
    found: list[int] = []
    for switch in chosen:
        own = [index[name] for name in tree.components[switch].links]
        share = rng.uniform(0.25, 1.0)  # of its links
        found += rng.choice(own, max(2, round(share * len(own))), replace=False).tolist()
    return tuple(sorted(int(one) for one in chosen)), np.array(sorted(set(found)))
