"""How long to wait before the next try.  Pure: chance is an argument.

In: the tries that failed one after the other, a number from 0 to 1.  Out: seconds.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_S = 0.5
MOST_S = 60.0


class Backoff:
    """Doubles from :data:`FIRST_S` to :data:`MOST_S`; each wait is between half of that and all of it, so that a
    thousand agents do not come back at the same moment."""

    def __init__(self, chance: Callable[[], float], *, first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._chance = chance
        self._first_s = first_s
        self._most_s = most_s
        self._failed = 0

    def failed(self, *, wanted_s: float = 0.0) -> float:
        """One more failure: how long to wait.  ``wanted_s`` is what the receiver asks for; it counts up to the most."""
        longest = min(self._most_s, self._first_s * 2.0 ** min(self._failed, 32))
        self._failed += 1
        return max(min(wanted_s, self._most_s), longest * (0.5 + 0.5 * self._chance()))

    def worked(self) -> None:
        """Begin anew."""
        self._failed = 0
