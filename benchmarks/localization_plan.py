"""Interventions until the faulty device of a large fat-tree is pinned, by expected information.

In: ``--faults N`` (400).  Out: one JSON line for drains alone and one for drains and weights: how many interventions on
average and at most, and how often the right device was pinned.

The case is that of FaultFerence: flows of one pair of hosts in a fat-tree of degree 14 (686 hosts) are lost whole by
one aggregation or core switch on their equal ways, which nobody knows flow by flow; a window has 2000 flows of the
pair.
"""

from __future__ import annotations

from argparse import ArgumentParser

import numpy as np

from benchmarks import report
from shadowlab.localize.plan import choose, updated

DEGREE = 14
FLOWS = 2000
TARGET = 5


def main() -> None:
    """Both ways to intervene."""
    parser = ArgumentParser(prog="scripts/bench localization_plan")
    parser.add_argument("--faults", type=int, default=400)
    words = parser.parse_args()
    for weights in (False, True):
        rng = np.random.default_rng(2000)
        steps, right = zip(*(pin(rng, weights=weights) for _ in range(words.faults)), strict=True)
        error = 1.96 * float(np.std(steps)) / len(steps) ** 0.5
        report(
            benchmark=f"interventions to pin a device: {'drains and weights' if weights else 'drains'}",
            unit="interventions",
            values=[float(one) for one in steps],
            target=TARGET,
            mean=round(float(np.mean(steps)), 3),
            mean_interval=[round(float(np.mean(steps)) - error, 3), round(float(np.mean(steps)) + error, 3)],
            right=round(float(np.mean(right)), 4),
            hosts=DEGREE**3 // 4,
            seed=2000,
        )


def pin(rng: np.random.Generator, *, weights: bool) -> tuple[int, bool]:
    """One fault: how many interventions, and whether the device named is the faulty one."""
    half = DEGREE // 2
    near = [f"near{one}" for one in range(half)]
    far = [f"far{one}" for one in range(half)]
    cores = [f"core{one}.{other}" for one in range(half) for other in range(half)]
    devices = [*near, *far, *cores]
    share = {name: 1 / half**2 if name in set(cores) else 1 / half for name in devices}
    truth = devices[int(rng.integers(len(devices)))]
    bad = int(rng.binomial(FLOWS, share[truth]))
    expected = np.array([FLOWS * share[name] for name in devices])
    log = bad * np.log(expected) - expected  # how many are bad tells the tier
    odds = np.exp(log - log.max())
    posterior = dict(zip(devices, (odds / odds.sum()).tolist(), strict=True))
    steps = 0
    while (one := choose(posterior, max(bad, 1), tiers=[near, far, cores], weights=weights)) is not None and steps < 30:
        seen = int(rng.binomial(FLOWS, share[truth] * one.left[truth]))
        posterior = updated(posterior, one, max(bad, 1), seen)
        steps += 1
    return steps, max(posterior, key=lambda name: posterior[name]) == truth


if __name__ == "__main__":
    main()
