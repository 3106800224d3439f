"""Which intervention would tell most: drains and re-weighings in order of the information they are expected to give.

In: a posterior over components, how many bad flows a window shows, and how much of the traffic each may lose.  Out: the
next intervention, and the posterior after what was seen.  Never: an intervention that takes more than it may.

An intervention leaves each component a share of the traffic it carried: none (a drain), half (a weight), or all.  The
number of bad flows then falls to that share of what it was if the component is the faulty one: a Poisson count.  What
an intervention tells is the mutual information between the faulty component and that count (Lindley, 1956).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ALL, HALF, NONE = 1.0, 0.5, 0.0
STRAY = 0.02
"""Bad flows per window that have another cause."""
SURE = 0.95


@dataclass(frozen=True, kw_only=True)
class Intervention:
    """``left`` is the share of its traffic that each component keeps; ``bits`` what it is expected to tell."""

    left: Mapping[str, float]
    bits: float

    @property
    def drained(self) -> tuple[str, ...]:
        """What carries nothing."""
        return tuple(sorted(name for name, share in self.left.items() if share == NONE))

    @property
    def halved(self) -> tuple[str, ...]:
        """What carries half."""
        return tuple(sorted(name for name, share in self.left.items() if share == HALF))


def information(posterior: Mapping[str, float], left: Mapping[str, float], bad_flows: float) -> float:
    """The mutual information in bits between the faulty component and the number of bad flows in the next window."""
    mass: dict[float, float] = {}
    for name, probability in posterior.items():
        share = left.get(name, ALL)
        mass[share] = mass.get(share, 0.0) + probability
    shares = sorted(mass)
    weights = np.array([mass[share] for share in shares])
    counts = _counts(np.array(shares), bad_flows)
    mixed = weights @ counts
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(counts > 0, counts * np.log2(counts / np.maximum(mixed, 1e-300)), 0.0)
    return max(float(weights @ each.sum(axis=1)), 0.0)


def choose(
    posterior: Mapping[str, float],
    bad_flows: float,
    *,
    tiers: Sequence[Sequence[str]] = (),
    weights: bool = True,
    fixed: Collection[str] = (),
) -> Intervention | None:
    """The intervention that tells most; None where one component is already sure.

    At most half of a tier (components that share a load) is drained at a time; ``weights`` allows halving too.  What is
    ``fixed`` keeps all its traffic.
    """
    if not posterior or max(posterior.values()) >= SURE:
        return None
    found = []
    for levels in ((ALL, NONE), (ALL, HALF, NONE)) if weights else ((ALL, NONE),):
        left = _split(posterior, levels, tiers, fixed)
        found.append(Intervention(left=left, bits=information(posterior, left, bad_flows)))
    return max(found, key=lambda one: one.bits)


def updated(posterior: Mapping[str, float], done: Intervention, bad_flows: float, seen: int) -> dict[str, float]:
    """The posterior after ``seen`` bad flows in the window that followed, where ``bad_flows`` were usual before."""
    names = sorted(posterior)
    mean = np.array([done.left.get(name, ALL) for name in names]) * bad_flows + STRAY
    log = np.log(np.maximum([posterior[name] for name in names], 1e-300)) + seen * np.log(mean) - mean
    odds = np.exp(log - log.max())
    return dict(zip(names, (odds / odds.sum()).tolist(), strict=True))


def _split(
    posterior: Mapping[str, float], levels: Sequence[float], tiers: Sequence[Sequence[str]], fixed: Collection[str]
) -> dict[str, float]:
    """Each component to the level that has least of the mass so far, the probable ones first."""
    tier_of = {name: number for number, tier in enumerate(tiers) for name in tier}
    room = {number: len(tier) // 2 for number, tier in enumerate(tiers)}
    mass = dict.fromkeys(levels, 0.0)
    left = dict.fromkeys(fixed, ALL)
    mass[ALL] += sum(posterior[name] for name in fixed)
    for name in sorted(posterior.keys() - left.keys(), key=lambda one: (-posterior[one], one)):
        tier = tier_of.get(name)
        open_to = [level for level in levels if level != NONE or tier is None or room[tier] > 0]
        level = min(open_to, key=lambda one: (mass[one], -one))
        if level == NONE and tier is not None:
            room[tier] -= 1
        mass[level] += posterior[name]
        left[name] = level
    return left


def _counts(shares: Array, bad_flows: float) -> Array:
    """Poisson probabilities, shape (shares, counts)."""
    mean = shares * bad_flows + STRAY
    most = int(mean.max() + 8 * math.sqrt(mean.max()) + 10)
    count = np.arange(most + 1)
    factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, most + 1)))))
    result: Array = np.exp(count[None, :] * np.log(mean)[:, None] - mean[:, None] - factorial[None, :])
    return result
