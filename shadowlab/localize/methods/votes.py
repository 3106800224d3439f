"""Voting: each flow that lost something gives every link of its way 1/hops (Arzani et al., "007", NSDI 2018).

The link with most votes is named if it has at least a threshold's share of all; then the flows that cross it are
explained, their votes are taken back, and the next is looked for.
"""

from __future__ import annotations

import numpy as np

from shadowlab.localize.findings import Localisation
from shadowlab.localize.methods.known import crossings, localisation, share_lost
from shadowlab.localize.observations import Observations
from shadowlab.localize.settings import Settings

THRESHOLD = 0.003
"""Of all votes.  The paper's 1 % names nothing here; of 0.15, 0.3, 0.5 and 1 %, with NOISE 0 or 1, this was best over
strong and weak faults together on the seeds that ours was frozen on."""
NOISE = 0
"""A flow that lost no more packets than this does not vote."""


def votes_007(seen: Observations, settings: Settings) -> Localisation:
    """The links that win a round."""
    at = crossings(seen)
    lossy = seen.bad > NOISE
    mask = lossy[at.flow]
    flow, link = at.flow[mask], at.link[mask]
    loss = share_lost(seen, at)
    live = np.ones(seen.flows, dtype=bool)
    named: dict[int, tuple[float, float]] = {}
    while len(named) < settings.most_suspects and len(flow):
        votes = np.bincount(link, live[flow] / at.hops[flow], minlength=at.links)
        best = int(votes.argmax())
        if votes[best] <= 0 or votes[best] < THRESHOLD * votes.sum():
            break
        named[best] = float(votes[best]), float(loss[best])
        live[flow[link == best]] = False
    return localisation("007", seen, at, named)
