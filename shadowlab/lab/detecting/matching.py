"""Alarms against labels: each label answers for one alarm at most.

In: rows of alarms' onsets, of labels.  Out: how many belong together, precision, recall, F.  Never: point adjustment.
"""

from __future__ import annotations

from collections.abc import Sequence

TOLERANCE_ROWS = 2


def matched(onsets: Sequence[int], labels: Sequence[int], tolerance: int = TOLERANCE_ROWS) -> int:
    """The largest number of pairs of an onset and a label at most ``tolerance`` rows apart, each used once: for
    intervals of one width taking both in order is best."""
    pairs = first = 0
    left = sorted(onsets)
    for label in sorted(labels):
        while first < len(left) and left[first] < label - tolerance:
            first += 1
        if first < len(left) and left[first] <= label + tolerance:
            pairs += 1
            first += 1
    return pairs


def agreement(onsets: Sequence[int], labels: Sequence[int]) -> dict[str, float | int | None]:
    """Precision, recall and F; None where there is nothing to divide by."""
    pairs = matched(onsets, labels)
    return {
        "labels": len(labels),
        "matched": pairs,
        "tolerance_rows": TOLERANCE_ROWS,
        "precision": pairs / len(onsets) if onsets else None,
        "recall": pairs / len(labels) if labels else None,
        "f": 2 * pairs / (len(onsets) + len(labels)) if onsets or labels else None,
    }
