"""How many of so many packets may be lost if each is lost with a given probability.

In: counts, a probability.  Out: bounds of the binomial distribution.  Never: a normal approximation at small counts.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p


def allowed(sent: int, share: float, doubt: float) -> tuple[int, int]:
    """The counts that are not too few and not too many: each side of them has at most ``doubt`` of all cases."""
    least, below = 0, 0.0
    while least < sent and below + _chance(least, sent, share) <= doubt:
        below += _chance(least, sent, share)
        least += 1
    most, up_to = least, below + _chance(least, sent, share)
    while most < sent and 1.0 - up_to > doubt:
        most += 1
        up_to += _chance(most, sent, share)
    return least, most


def _chance(lost: int, sent: int, share: float) -> float:
    if share <= 0.0 or share >= 1.0:
        return float(lost == (sent if share >= 1.0 else 0))
    ways = lgamma(sent + 1) - lgamma(lost + 1) - lgamma(sent - lost + 1)
    return exp(ways + lost * log(share) + (sent - lost) * log1p(-share))
