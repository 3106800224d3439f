"""Whether a loss is news: a component that loses now what it lost before has not broken.

In: a suspect, the evidence of now and of the baseline.  Out: yes or no.  Never: a judgement about delay, which is
measured against the baseline from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scipy.special import bdtrc

from shadowlab.model.network import Direction
from shadowlab.model.verdict import PathEvidence, Suspect

_SURE = 0.001
"""The chance at which as many losses as now would fall into this window if the rate had stayed."""


def loses_more(
    suspect: Suspect, now: Sequence[PathEvidence], before: Sequence[PathEvidence], others: Iterable[Suspect] = ()
) -> bool:
    """Whether what crosses the suspect, and none of the others, loses more than it did before.

    Two Poisson counts of k and m losses among n and N packets: given k + m, k is binomial with share n / (n + N) if the
    rate is the same (Przyborowski and Wilenski, 1940).  True where nothing can be compared: then the search is right.
    """
    own = set(suspect.directions)
    foreign = {direction for one in others for direction in one.directions} - own
    sent, lost = _counted(now, own, foreign)
    sent_before, lost_before = _counted(before, own, foreign)
    if not sent or not sent_before or not lost:
        return True
    return float(bdtrc(lost - 1, lost + lost_before, sent / (sent + sent_before))) < _SURE


def _counted(evidence: Sequence[PathEvidence], own: set[Direction], foreign: set[Direction]) -> tuple[int, int]:
    crossing = [one for one in evidence if own & set(one.directions) and not foreign & set(one.directions)]
    return sum(one.sent for one in crossing), sum(one.lost for one in crossing)
