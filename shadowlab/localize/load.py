"""Whether a load that grew explains a delay.

In: a suspect for delay, what its directions carry since demand grew.  Out: yes or no.
Never: an excuse for losses beyond the odd one.
"""

from __future__ import annotations

from collections.abc import Mapping

from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import Suspect

_BURSTS = 6.0
"""Packets of TCP come in bursts: they wait so many times as long as independent ones, or less."""


_NEGLIGIBLE = 0.001
"""What a queue that now and then overflows costs; and what its interval may reach down to is not sure to be lost."""


def explained_by_load(suspect: Suspect, utilisation: Mapping[Direction, float], network: Network) -> bool:
    """Whether the suspect is later by no more than a queue at its load makes it.

    ``utilisation`` holds the directions that carry more than they did.  A packet waits ρ / (2 (1 - ρ)) times the time
    that one takes on the wire where packets are alike and come independently (M/D/1: Pollaczek and Khinchine).
    """
    low, high = suspect.loss_interval
    if (low if high else suspect.loss) > _NEGLIGIBLE or suspect.excess_delay_ns <= 0:
        return False
    return suspect.excess_delay_ns <= _BURSTS * max(
        (_wait_ns(load, network, one) for one, load in utilisation.items() if one in suspect.directions), default=0.0
    )


def _wait_ns(load: float, network: Network, direction: Direction) -> float:
    impairment = network.impairment(direction)
    if impairment.rate_bps is None:
        return 0.0
    wire_ns = impairment.mtu * 8e9 / impairment.rate_bps
    return wire_ns * load / (2 * (1 - load)) if load < 1 else float("inf")
