"""Which samples are an alarm: operators count alarms, not samples.

In: per sample whether it is over the threshold, and since when.  Out: whether an alarm is raised now; episodes of one
series as incidents of several.  Never: two alarms for one episode.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Policy:
    """An episode opens with a sample over the threshold and closes after ``quiet`` samples in a row below the lower
    ``release`` part of it.  Inside of it only what began after its last alarm raises another one, and none within
    ``hold_off_ns`` of it."""

    quiet: int = 3
    release: float = 0.8
    hold_off_ns: int = 0
    open: bool = False
    below: int = 0
    last_ns: int = -(2**62)

    def alarm(self, now_ns: int, part: float, onset_ns: int | None) -> bool:
        """``part`` is the score over the threshold: 1 and more is over it."""
        if part < 1:
            self.below = self.below + 1 if part < self.release else 0
            if self.below >= self.quiet:
                self.open = False
            return False
        self.below = 0
        anew = not self.open or (onset_ns is not None and onset_ns > self.last_ns)
        self.open = True
        if not anew or now_ns - self.last_ns < self.hold_off_ns:
            return False
        self.last_ns = now_ns
        return True


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Alarms of several series that began together."""

    onset_ns: int
    last_ns: int
    subjects: tuple[str, ...]


def incidents(alarms: Iterable[tuple[int, str]], *, within_ns: int) -> tuple[Incident, ...]:
    """Group (onset in ns, subject): an alarm belongs to the incident whose last onset is at most ``within_ns`` ago."""
    found: list[Incident] = []
    for onset_ns, subject in sorted(alarms):
        if found and onset_ns - found[-1].last_ns <= within_ns:
            last = found.pop()
            subjects = tuple(sorted({*last.subjects, subject}))
            found.append(Incident(onset_ns=last.onset_ns, last_ns=onset_ns, subjects=subjects))
        else:
            found.append(Incident(onset_ns=onset_ns, last_ns=onset_ns, subjects=(subject,)))
    return tuple(found)
