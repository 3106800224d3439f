"""Maximum coverage: the fewest links that explain most of what is lost (the spatial correlation of Kompella et al.,
"Fault localization via risk modeling", 2005, weighed by how much of a link's traffic is bad).

The link whose flows lost most beyond the average, in standard deviations, is named; its flows are explained; again.
"""

from __future__ import annotations

import math

import numpy as np

from shadowlab.localize.findings import Localisation
from shadowlab.localize.methods.known import crossings, localisation, share_lost
from shadowlab.localize.observations import Observations
from shadowlab.localize.settings import Settings

DEVIATIONS = 5.0
"""So many standard deviations above the average is bad."""


def max_coverage(seen: Observations, settings: Settings) -> Localisation:
    """The links that cover what is bad."""
    at = crossings(seen)
    loss = share_lost(seen, at)
    live = np.ones(seen.flows, dtype=bool)
    named: dict[int, tuple[float, float]] = {}
    while len(named) < settings.most_suspects and len(at.flow):
        weight = live[at.flow]
        sent = np.bincount(at.link, seen.sent[at.flow] * weight, minlength=at.links)
        bad = np.bincount(at.link, seen.bad[at.flow] * weight, minlength=at.links)
        usual = float(seen.bad[live].sum()) / max(float(seen.sent[live].sum()), 1.0)
        expected = np.maximum(usual * sent, 1e-9)
        deviations = (bad - expected) / np.sqrt(expected + 1)
        best = int(deviations.argmax())
        if not math.isfinite(deviations[best]) or deviations[best] < DEVIATIONS:
            break
        named[best] = float(deviations[best]), float(loss[best])
        live[at.flow[at.link == best]] = False
    return localisation("max-coverage", seen, at, named)
