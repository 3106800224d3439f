"""What a moment and a share may be held to, on the clock that the checks run on.

The virtual clock stands still while code computes, and the embedded kernel's netem has a seed: moments are exact, and a
share is the same in every run.  The real clock goes on, most of all under an emulated processor, and a kernel before
Linux 6.6 draws lots of its own: there nothing may come *early*, lateness is an error of its own (:class:`LateError`),
and a share may be five standard deviations off (once in two million honest runs).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

TAKES_A_SEED = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 6)
"""Whether this kernel's netem does."""
EARLY_NS = 50_000
"""The wall clock, which stamps arrivals, may be slewed against the monotonic one, which holds packets back."""
PROMPT_NS = 1_000_000
"""The most that the least late of several packets may be late on the real clock."""

_real = False


class LateError(AssertionError):
    """It came, as it should, but later than the real clock may make it.  On an emulated processor this is no fault."""


def use_the_real_clock() -> None:
    """From now on, in this process."""
    global _real
    _real = True


def is_real() -> bool:
    return _real


def seed(number: int) -> int | None:
    """As asked for, or None where netem takes none."""
    return number if TAKES_A_SEED else None


def fewer(count: int) -> int:
    """Packets enough for the clock: an emulated processor sends fewer a second."""
    return count // 5 if _real else count


def is_share(found: float, wished: float, count: int) -> bool:
    """Whether a share of ``count`` lies in the normal interval around ``wished``: of 95 % if it repeats, else wider."""
    width = 5 if _real else 1.96
    return abs(found - wished) <= width * (wished * (1 - wished) / count) ** 0.5


def is_about(found: float, wished: float, exact: float, loose: float) -> bool:
    """Whether a figure differs from its wish by less than a share of it: ``exact``, on the real clock ``loose``."""
    return abs(found / wished - 1) < (loose if _real else exact)


def assert_on_time(held: bool, *about: object) -> None:
    """What only lateness can break."""
    if not held:
        raise LateError(*about)


def assert_moments(found: Sequence[int], wished: Sequence[int], exact_ns: int, *about: object) -> None:
    """Each is its wish to ``exact_ns``; on the real clock none is early, and at least one prompt."""
    assert len(found) == len(wished) > 0, (*about, len(found), len(wished))
    late = [one - other for one, other in zip(found, wished, strict=True)]
    if not _real:
        assert all(abs(one) < exact_ns for one in late), (*about, late)
        return
    assert min(late) > -EARLY_NS, (*about, late)
    assert_on_time(min(late) < PROMPT_NS, *about, late)
