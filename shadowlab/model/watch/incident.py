"""An incident and its life: opened, updated, localised, proposed, resolved; and what is told of it to others.

In: plain values.  Out: frozen values.  Never: a look at the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shadowlab.model.verdict import CureOutcome, FaultDomain

IncidentKind = Literal["network", "level", "forecast", "measurement", "shadow", "telemetry"]
"""A broken network; a level broken by demand alone; one that is going to be; an instance that contradicts its peers; a
shadow that is not true any more; telemetry that stopped."""

EntryKind = Literal["detected", "opened", "updated", "localised", "proposed", "resolved"]

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, kw_only=True)
class IncidentEntry:
    """One line of the timeline.  ``at_ns`` is Unix time: of the telemetry for ``detected``, else of the cycle."""

    at_ns: int
    cycle: int
    kind: EntryKind
    text: str


@dataclass(frozen=True, kw_only=True)
class Incident:
    """``id`` is ``CYCLE-KEY`` of the cycle that opened it; ``subjects`` are the links, paths or instances by which it
    is known again.  ``quiet_cycles`` counts the cycles in a row that did not find it any more.  ``cures``: best first,
    as rehearsed."""

    id: str
    kind: IncidentKind
    severity: Severity
    title: str
    opened_ns: int
    updated_ns: int
    opened_cycle: int
    resolved_ns: int | None = None
    subjects: tuple[str, ...] = ()
    affected_paths: tuple[str, ...] = ()
    domain: FaultDomain | None = None
    cures: tuple[CureOutcome, ...] = ()
    proposal: str = ""
    """The cure that is proposed, in a sentence; empty if none was rehearsed or none helps."""
    timeline: tuple[IncidentEntry, ...] = ()
    quiet_cycles: int = 0
    entries_left_out: int = 0
    """Updates that the timeline holds no more: it is bounded."""

    @property
    def open(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved_ns is None


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One thing to be told to one receiver.  ``id`` is the same however often it is tried: by it a receiver, and we,
    know it again.  ``attempts`` failed so far; it is due at ``due_ns``."""

    id: str
    receiver: str
    incident: str
    event: EntryKind
    severity: Severity
    title: str
    text: str
    at_ns: int
    began_ns: int
    ended_ns: int | None = None
    links: tuple[str, ...] = ()
    attempts: int = 0
    due_ns: int = 0
    last_error: str = ""
