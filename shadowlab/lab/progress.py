"""What a run tells while it works.

In: stage names and fractions.  Out: whatever the face makes of them; :class:`Silent` makes nothing.
"""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of a run.  Called from several threads."""

    def stage(self, name: str) -> None:
        """A new stage begins."""

    def work(self, name: str, fraction: float) -> None:
        """One of the stage's pieces of work stands at ``fraction`` (0 to 1)."""


class Silent:
    """For pipes and tests."""

    def stage(self, name: str) -> None:
        return

    def work(self, name: str, fraction: float) -> None:
        return
