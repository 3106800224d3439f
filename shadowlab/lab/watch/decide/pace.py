"""When the next cycle begins.

In: when the last one began and ended, how often they are wanted.  Out: a moment, and how many beginnings went by.
"""

from __future__ import annotations

from typing import NamedTuple


class Next(NamedTuple):
    """When, on the clock that was given, and how many beginnings were skipped before it."""

    at_ns: int
    skipped: int


def next_cycle(*, began_ns: int, ended_ns: int, every_ns: int) -> Next:
    """The next multiple of ``every_ns`` after the last beginning that is still to come: a cycle that took too long
    skips beginnings, it never makes them pile up."""
    late = max(0, ended_ns - began_ns)
    steps = max(1, -(-late // every_ns))
    return Next(began_ns + steps * every_ns, steps - 1)
