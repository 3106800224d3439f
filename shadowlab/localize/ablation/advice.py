"""What would tell two explanations apart that fit equally well.

In: the kinds that are left, and the measurement that would split a class of components.  Out: sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.model.diagnosis.ablation import FaultKind

_SPLITS: tuple[tuple[frozenset[FaultKind], str], ...] = (
    (
        frozenset({"loss", "short queue"}),
        "probes while the link is nearly idle: a bad line loses then too, a short queue does not",
    ),
    (
        frozenset({"loss", "rate"}),
        "the link's own counters: with less capacity it is always full, a lossy line carries less than it could",
    ),
    (
        frozenset({"delay", "long queue"}),
        "the least round trip while the link is nearly idle: a longer way is still there, a queue is gone",
    ),
    (
        frozenset({"delay", "rate"}),
        "probes of two sizes: at less capacity large ones take longer, on a longer way both take the same more",
    ),
    (
        frozenset({"rate", "short queue"}),
        "the delay at full load: at less capacity packets wait longer, in a short queue less",
    ),
    (
        frozenset({"rate", "long queue"}),
        "the throughput at full load: less capacity carries less, a long queue as much as ever",
    ),
)


def between_places(names: Sequence[str], links: Sequence[frozenset[str]], kind: FaultKind) -> str:
    """What would tell components apart that explain the symptoms alike; ``links`` are those that each stands for."""
    which = " or ".join(dict.fromkeys(names))
    if len(set(links)) == 1:
        if kind in ("delay", "long queue"):
            return f"{which}: one-way delays, with clocks set at both ends (round trips do not tell the direction)"
        return f"{which}: one-way counts at both ends of the link"
    return f"{which}: traffic led over one and not the other, or a drain of one"


def advice(kinds: Sequence[FaultKind], split_by: Sequence[str]) -> tuple[str, ...]:
    """For every pair of different kinds, the first of which fits best; then for components of a class."""
    found = [
        f"{kinds[0]} or {other}: {words}"
        for other in dict.fromkeys(kinds[1:])
        for pair, words in _SPLITS
        if pair == {kinds[0], other}
    ]
    return (*found, *dict.fromkeys(one for one in split_by if one))
