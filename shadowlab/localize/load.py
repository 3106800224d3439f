"""Whether a load that grew explains a delay.

In: a suspect for delay, what its directions carry since demand grew, how late paths are.  Out: yes or no.
Never: an excuse for losses beyond the odd one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import PathEvidence, Suspect

_BURSTS = 6.0
"""Packets of TCP come in bursts: they wait so many times as long as independent ones, or less."""


_NEGLIGIBLE = 0.001
"""What a queue that now and then overflows costs; and what its interval may reach down to is not sure to be lost."""


def explained_by_load(
    suspect: Suspect,
    utilisation: Mapping[Direction, float],
    network: Network,
    evidence: Sequence[PathEvidence] = (),
) -> bool:
    """Whether the suspect is later by no more than a queue at its load makes it.

    ``utilisation`` holds the directions that carry more than they did.  A packet waits ρ / (2 (1 - ρ)) times the time
    that one takes on the wire where packets are alike and come independently (M/D/1: Pollaczek and Khinchine).  Where
    the suspect is one of several directions that carry more, what is late may be late on all of them: the ``evidence``
    of the paths across it says how late each is, and over which way.
    """
    low, high = suspect.loss_interval
    if (low if high else suspect.loss) > _NEGLIGIBLE or suspect.excess_delay_ns <= 0:
        return False
    own = {one: _BURSTS * _wait_ns(utilisation[one], network, one) for one in suspect.directions if one in utilisation}
    if not own:
        return False
    if suspect.excess_delay_ns <= max(own.values()):
        return True
    late = [one for one in evidence if set(one.directions) & set(own) and one.affected and one.excess_delay_ns > 0]
    return bool(late) and all(one.excess_delay_ns <= _way_ns(one, utilisation, network) for one in late)


def _way_ns(evidence: PathEvidence, utilisation: Mapping[Direction, float], network: Network) -> float:
    """What the queues of all that carry more add up to on a way."""
    grown = [one for one in evidence.directions if one in utilisation]
    return _BURSTS * sum(_wait_ns(utilisation[one], network, one) for one in grown)


def _wait_ns(load: float, network: Network, direction: Direction) -> float:
    impairment = network.impairment(direction)
    if impairment.rate_bps is None:
        return 0.0
    wire_ns = impairment.mtu * 8e9 / impairment.rate_bps
    return wire_ns * load / (2 * (1 - load)) if load < 1 else float("inf")
