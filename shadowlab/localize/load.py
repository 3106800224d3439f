"""Whether a load that grew explains a delay; and delays that no buffer of the map can make.

In: suspects for delay, what their directions carry, how late paths are.  Out: yes or no; the domain, with queues that
are longer than the map says called so.  Never: an excuse for losses beyond the odd one; a suspect that was none before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shadowlab.model.network import Direction, Network
from shadowlab.model.verdict import FaultDomain, PathEvidence, Suspect

_BURSTS = 6.0
"""Packets of TCP come in bursts: they wait so many times as long as independent ones, or less."""

FULL = 0.8
"""From such a median utilisation on a link's queue holds what senders let it hold."""
BEYOND = 1.5
"""So many stated buffers a packet waits longer than before: a buffer that was full already cannot do that."""
_DELAYS = ("", "delay", "loss and delay")
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


def with_long_queues(domain: FaultDomain, network: Network, utilisation: Mapping[Direction, float]) -> FaultDomain:
    """A longer line delays its packets too, and needs no traffic for it: that of an idle link stays a delay.
    ``utilisation``: medians of the window, of directions that are known."""
    suspects = tuple(
        replace(one, fault="queue") if one.fault in _DELAYS and _waits(one, network, utilisation) else one
        for one in domain.suspects
    )
    return domain if suspects == domain.suspects else replace(domain, suspects=suspects)


def _waits(suspect: Suspect, network: Network, utilisation: Mapping[Direction, float]) -> bool:
    """Of a class of alternatives each; of a link both ways the fuller one."""
    full = [one for one in suspect.directions if utilisation.get(one, 0.0) >= FULL]
    if not full or len({one.link for one in suspect.directions}) > 1:
        return False
    return suspect.excess_delay_ns > BEYOND * max(_buffer_ns(network, one) for one in full)


def _buffer_ns(network: Network, direction: Direction) -> float:
    impairment = network.impairment(direction)
    if impairment.rate_bps is None:
        return math.inf
    return impairment.queue_packets * impairment.mtu * 8e9 / impairment.rate_bps
