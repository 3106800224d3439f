"""What sort of loss it is: of packets that wait, or of one sort of flows only.

In: observations and the flows that cross a suspect.  Out: yes, or the sort's name.  Never: a look at components that
nobody suspects: with so many questions chance would answer some.
"""

from __future__ import annotations

import math

import numpy as np

from shadowlab.localize.observations import Indices, Observations

_SURE = 3.0
"""The evidence (natural logarithm) beyond the number of questions asked."""
_QUEUE = 1.0
_LEAST_RATIO = 3.0


def drops_what_waits(seen: Observations, flows: Indices, rate: float) -> bool:
    """Whether those of the flows lose that had to wait, more than the others by far; ``rate`` is that of the suspect.

    A queue that is told to drop early (RED with marks set too low) or is too short loses what waits; a bad line loses
    what passes.  Order the flows by their excess delay; a line loses evenly along that order (each flow weighing as
    much as it is likely to lose anything), a queue mostly at its end.  The ratio of the two likelihoods, for a density
    of 2u against one of 1 at the place u from 0 to 1.  A flow counts once: its packets wait together.
    """
    timed = flows[np.isfinite(seen.excess_ns[flows])]
    if not len(timed) or rate <= 0:
        return False
    ordered = timed[np.argsort(seen.excess_ns[timed], kind="stable")]
    weight = -np.expm1(-rate * seen.sent[ordered])
    place = (np.cumsum(weight) - weight / 2) / weight.sum()
    return float(np.log(2 * place[seen.bad[ordered] > 0]).sum()) > _QUEUE


def subset_of(seen: Observations, flows: Indices, usual: float) -> str:
    """The sort of flows (``port 443``) that alone suffers where the flows cross; empty if it is all of them.

    Every value of every label is asked, so the evidence must exceed the logarithm of how many those are.
    """
    sent, bad = seen.sent[flows], seen.bad[flows]
    best, name = 0.0, ""
    for label, (values, codes) in sorted(seen.labels.items()):
        code = codes[flows]
        there = code >= 0
        packets = np.bincount(code[there], sent[there], minlength=len(values))
        losses = np.bincount(code[there], bad[there], minlength=len(values))
        asked = math.log(max(int((packets > 0).sum()), 1)) + _SURE
        for value in np.flatnonzero(losses).tolist():
            inside, outside = float(packets[value]), float(sent.sum() - packets[value])
            lost, others = float(losses[value]), float(bad.sum() - losses[value])
            if not outside or lost / inside < _LEAST_RATIO * max(others / outside, usual):
                continue
            gain = _two_rates(lost, inside, others, outside) - asked
            if gain > best:
                best, name = gain, f"{label} {values[value]}"
    return name


def _two_rates(bad_a: float, sent_a: float, bad_b: float, sent_b: float) -> float:
    """The log-likelihood that two Poisson rates gain over one, less half of BIC's price for the second."""
    total = _log(bad_a, sent_a) + _log(bad_b, sent_b) - _log(bad_a + bad_b, sent_a + sent_b)
    return total - 0.5 * math.log(max(bad_a + bad_b, 1.0))


def _log(bad: float, sent: float) -> float:
    return bad * math.log(bad / sent) - bad if bad > 0 and sent > 0 else 0.0
