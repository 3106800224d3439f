"""Regularised least squares by link (Tan et al., "NetBouncer", NSDI 2019).

A path's success is the product of its links'; the squared error over the flows, weighed by their packets, plus
lambda times the sum of s (1 - s) over links, which draws each success s to 0 or 1, is lowered link by link in its
closed form.
"""

from __future__ import annotations

import numpy as np

from shadowlab.localize.findings import Localisation
from shadowlab.localize.methods.known import crossings, localisation, share_lost
from shadowlab.localize.observations import Lists, Observations
from shadowlab.localize.settings import Settings

REGULARISATION = 1.0
THRESHOLD = 6e-4
"""A link is bad that loses more.  Both were best on the seeds that ours was frozen on."""
_ROUNDS = 12
_STILL = 1e-7


def netbouncer(seen: Observations, settings: Settings) -> Localisation:
    """The links whose success ends below the threshold."""
    del settings
    at = crossings(seen)
    if not len(at.flow):
        return localisation("netbouncer", seen, at, {})
    order = np.argsort(at.link, kind="stable")
    counts = np.bincount(at.link, minlength=at.links)
    of = Lists(starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64), values=at.flow[order])
    success = 1 - share_lost(seen, at)
    passed = 1 - seen.bad / np.maximum(seen.sent, 1.0)
    log = np.log(np.maximum(success, 1e-12))
    through = np.bincount(at.flow, log[at.link], minlength=seen.flows)
    for _ in range(_ROUNDS):
        before = success.copy()
        for link in np.flatnonzero(counts).tolist():
            flows = of.values[of.starts[link] : of.starts[link + 1]]
            others = np.exp(through[flows] - log[link])
            weight = seen.sent[flows]
            s1, s2 = float((weight * others * passed[flows]).sum()), float((weight * others * others).sum())
            best = (2 * s1 - REGULARISATION) / (2 * (s2 - REGULARISATION)) if s2 > REGULARISATION else success[link]
            success[link] = min(1.0, max(1e-9, best))
            through[flows] += np.log(success[link]) - log[link]
            log[link] = np.log(success[link])
        if np.abs(success - before).max() < _STILL:
            break
    bad = {
        int(one): (float(1 - success[one]), float(1 - success[one])) for one in np.flatnonzero(success < 1 - THRESHOLD)
    }
    return localisation("netbouncer", seen, at, {one: bad[one] for one in bad if counts[one]})
