"""Incidents of a watch as documents.

In: incidents.  Out: documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.incident import Incident as Found
from shadowlab.serve.picture.shapes import Entry, Incident, IncidentHead
from shadowlab.serve.picture.verdicts import cures_shown, domain_shown


def ordered(found: Iterable[Found]) -> list[Found]:
    """Open ones first, newest first."""
    return sorted(found, key=lambda one: (not one.open, -one.opened_ns, one.id))


def head(one: Found) -> IncidentHead:
    """What a list shows."""
    return IncidentHead(
        id=one.id,
        kind=one.kind,
        severity=one.severity,
        title=one.title,
        opened_s=one.opened_ns / NS_PER_S,
        updated_s=one.updated_ns / NS_PER_S,
        resolved_s=None if one.resolved_ns is None else one.resolved_ns / NS_PER_S,
        open=one.open,
        subjects=list(one.subjects),
        affected_paths=len(one.affected_paths),
        proposal=one.proposal,
        confidence=one.domain.confidence if one.domain else None,
    )


def whole(one: Found) -> Incident:
    """All of it."""
    return Incident(
        **head(one).model_dump(),
        paths=list(one.affected_paths),
        timeline=_entries(one),
        domain=domain_shown(one.domain) if one.domain else None,
        cures=cures_shown(one.cures),
        conclusions=[],
    )


def timeline(found: Sequence[Found]) -> list[Entry]:
    """Of all incidents, in order of time."""
    entries = [entry for one in found for entry in _entries(one)]
    return sorted(entries, key=lambda one: (one.at_s, one.cycle or 0))


def _entries(one: Found) -> list[Entry]:
    return [
        Entry(at_s=each.at_ns / NS_PER_S, kind=each.kind, text=each.text, incident=one.id, cycle=each.cycle)
        for each in one.timeline
    ]
