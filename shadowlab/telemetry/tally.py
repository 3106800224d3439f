"""What a reader could not read or did not keep: counted, the first places named.

In: a place and a reason, as a reader meets them.  Out: counts, and a bounded list of faults.
Never: an exception for a bad part of a file; memory that grows with the number of faults.
"""

from __future__ import annotations

from shadowlab.errors import Fault

PLACES_KEPT = 20
"""Unreadable places that are located and explained; the rest is counted."""
REASONS_KEPT = 64
"""Distinct reasons for passing over; what comes after them is counted under one more."""
OTHER = "other reasons"


class Tally:
    """Counts of one file.  ``unit`` is what a place counts: ``line``, ``byte``, ``row``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records = 0
        self.unreadable = 0
        self.dumps = 0
        """Dumps, documents or blocks that the records came in, where the format has such."""
        self.passed_over: dict[str, int] = {}
        """Reason to how many well-formed parts were no TCP observation."""
        self._places: list[Fault] = []

    def refuse(self, place: int | str, why: str) -> None:
        """One part that could not be read.  ``place`` is a line's number, or words such as ``byte 1234``."""
        self.unreadable += 1
        if len(self._places) < PLACES_KEPT:
            self._places.append(Fault(place=f"{self.name}:{place}", message=why))

    def pass_over(self, why: str, count: int = 1) -> None:
        """Something readable that is no observation of TCP."""
        if why not in self.passed_over and len(self.passed_over) >= REASONS_KEPT:
            why = OTHER
        self.passed_over[why] = self.passed_over.get(why, 0) + count

    @property
    def places(self) -> tuple[Fault, ...]:
        """The first unreadable parts, in the order they were met."""
        return tuple(self._places)
