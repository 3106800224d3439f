"""The largest growth at which every service level holds, by bisection.

In: whether it holds at a growth, asked one by one.  Out: the next growth to try, at last the answer.  Never: a run:
whoever asks runs what is to be tried.

Monotone in what grows: if a level breaks at a growth it is taken to break at every larger one.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """``holds_at`` is the largest growth seen to hold, None if not even the smallest does; ``breaks_at`` the smallest
    seen to break, None if even the largest holds."""

    holds_at: float | None
    breaks_at: float | None


def search(least: float, most: float, tolerance: float) -> Generator[float, bool, Headroom]:
    """Yields a growth, takes whether all levels hold there.  Ends when both sides are within ``tolerance``, relative.

    Raises ValueError for bounds that are none.
    """
    if not 0 < least < most:
        raise ValueError(f"headroom is looked for from below to above, got {least:g} to {most:g}")
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be above zero, got {tolerance:g}")
    if not (yield least):
        return Headroom(holds_at=None, breaks_at=least)
    if (yield most):
        return Headroom(holds_at=most, breaks_at=None)
    low, high = least, most
    while high > low * (1 + tolerance):
        middle = round((low + high) / 2, 6)
        if not low < middle < high:
            break
        if (yield middle):
            low = middle
        else:
            high = middle
    return Headroom(holds_at=low, breaks_at=high)
