"""What could not be used, counted by reason, and the first few places.

In: reasons and places.  Out: an :class:`Account`.  Never: a list that grows with the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shadowlab.errors import Fault

PLACES_KEPT = 20
"""Places that are told one by one; the rest is counted."""


@dataclass(kw_only=True)
class Account:
    """Grows while a capture is read.  ``name`` is the file's name as messages should show it.

    ``cut_at`` is the offset (bytes, after decompression) from where nothing could be read any more, or None if the file
    ended as it should.
    """

    name: str
    format: str = ""
    frames: int = 0
    octets: int = 0
    cut_at: int | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    places: list[Fault] = field(default_factory=list)

    def leave_out(self, reason: str, count: int = 1, *, offset: int | None = None) -> None:
        """``count`` frames (or blocks) were not used, for ``reason``; the first at ``offset``, if that is known."""
        if count <= 0:
            return
        self.left_out[reason] = self.left_out.get(reason, 0) + count
        if offset is not None and len(self.places) < PLACES_KEPT:
            self.places.append(Fault(place=f"{self.name}:byte {offset}", message=reason))

    def cut(self, reason: str, offset: int) -> None:
        """From ``offset`` on nothing could be read; what came before is kept."""
        if self.cut_at is None:
            self.cut_at = offset
            self.leave_out(reason, offset=offset)
