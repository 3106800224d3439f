"""The life of incidents: what a cycle found is held against those that are open.

In: open incidents, findings, the moment.  Out: incidents as they are now, and the entries that are news.

A finding belongs to the open incident of its kind with which it shares a subject (a link, a path, an instance).  An
incident that is not found in ``resolve_after`` judged cycles in a row is resolved.  A cycle that could not judge counts
for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from shadowlab.model.verdict import CureOutcome, FaultDomain
from shadowlab.model.watch.incident import EntryKind, Incident, IncidentEntry, IncidentKind, Severity

MOST_ENTRIES = 200
"""Of a timeline; of more the oldest updates go."""
_RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something a cycle says is wrong.  ``seen_ns``: since when, by the telemetry."""

    kind: IncidentKind
    severity: Severity
    title: str
    subjects: tuple[str, ...]
    affected_paths: tuple[str, ...] = ()
    domain: FaultDomain | None = None
    cures: tuple[CureOutcome, ...] = ()
    proposal: str = ""
    seen_ns: int = 0
    detected: str = ""
    """What was noticed between cycles, in words."""


class News(NamedTuple):
    """An entry that was added to an incident in this cycle, with its number within the incident's life."""

    incident: Incident
    entry: IncidentEntry
    number: int


class Advanced(NamedTuple):
    """``open``: those that stay; ``closed``: those that this cycle resolved."""

    open: tuple[Incident, ...]
    closed: tuple[Incident, ...]
    news: tuple[News, ...]


def belongs(one: Finding, incident: Incident) -> bool:
    """Whether the finding is of this incident."""
    return one.kind == incident.kind and (not one.subjects or bool(set(one.subjects) & set(incident.subjects)))


def advance(
    incidents: Sequence[Incident], findings: Sequence[Finding], *, cycle: int, now_ns: int, resolve_after: int
) -> Advanced:
    """``findings`` of a cycle that judged."""
    left = list(findings)
    open_now: list[Incident] = []
    closed: list[Incident] = []
    news: list[News] = []

    for incident in incidents:
        mine = [one for one in left if belongs(one, incident)]
        left = [one for one in left if one not in mine]
        if mine:
            course = _Course(incident, cycle, now_ns)
            for one in mine:
                course.found(one)
            open_now.append(course.incident)
        else:
            quiet = incident.quiet_cycles + 1
            course = _Course(replace(incident, quiet_cycles=quiet), cycle, now_ns)
            if quiet >= resolve_after:
                words = f"not found any more in {quiet} cycle{'s' * (quiet != 1)}"
                course.add("resolved", words)
                closed.append(replace(course.incident, resolved_ns=now_ns))
                course.incident = closed[-1]
            else:
                open_now.append(course.incident)
        news += course.news()
    for number, one in enumerate(left):
        course = _Course(_opened(one, cycle, now_ns, number), cycle, now_ns)
        course.begin(one)
        open_now.append(course.incident)
        news += course.news()
    return Advanced(tuple(open_now), tuple(closed), tuple(news))


def _opened(one: Finding, cycle: int, now_ns: int, number: int) -> Incident:
    return Incident(
        id=f"{cycle}-{number + 1}-{one.kind}",
        kind=one.kind,
        severity=one.severity,
        title=one.title,
        opened_ns=now_ns,
        updated_ns=now_ns,
        opened_cycle=cycle,
        subjects=one.subjects,
        affected_paths=one.affected_paths,
    )


class _Course:
    """An incident through one cycle, and what it gained."""

    def __init__(self, incident: Incident, cycle: int, now_ns: int) -> None:
        self.incident = incident
        self._cycle = cycle
        self._now_ns = now_ns
        self._added: list[tuple[IncidentEntry, int]] = []

    def add(self, kind: EntryKind, text: str, at_ns: int | None = None) -> None:
        entry = IncidentEntry(at_ns=self._now_ns if at_ns is None else at_ns, cycle=self._cycle, kind=kind, text=text)
        old = self.incident
        number = len(old.timeline) + old.entries_left_out + 1
        timeline, out = (*old.timeline, entry), old.entries_left_out
        if len(timeline) > MOST_ENTRIES:
            drop = next((index for index, each in enumerate(timeline) if each.kind == "updated"), 1)
            timeline, out = (*timeline[:drop], *timeline[drop + 1 :]), out + 1
        self.incident = replace(old, timeline=timeline, entries_left_out=out, updated_ns=self._now_ns)
        self._added.append((entry, number))

    def begin(self, one: Finding) -> None:
        if one.detected:
            self.add("detected", one.detected, one.seen_ns)
        self.add("opened", one.title)
        self._where(one)
        self._cure(one)

    def found(self, one: Finding) -> None:
        old = self.incident
        worse = _RANK[one.severity] > _RANK[old.severity]
        subjects = tuple(sorted({*old.subjects, *one.subjects}))
        if old.quiet_cycles:
            self.add("updated", f"found again: {one.title}")
        elif one.title != old.title or worse or set(one.affected_paths) != set(old.affected_paths):
            paths = len(one.affected_paths)
            self.add("updated", f"{one.title} ({paths} path{'s' * (paths != 1)} affected)")
        self.incident = replace(
            self.incident,
            title=one.title,
            severity=one.severity if worse else old.severity,
            subjects=subjects,
            affected_paths=one.affected_paths,
            quiet_cycles=0,
        )
        self._where(one)
        self._cure(one)

    def _where(self, one: Finding) -> None:
        if one.domain is None or not one.domain.links:
            return
        known = self.incident.domain
        if known is None or known.links != one.domain.links or known.kind != one.domain.kind:
            where = " and ".join(one.domain.links)
            self.add("localised", f"{where}: {one.domain.kind}, confidence {one.domain.confidence:.0%}")
        self.incident = replace(self.incident, domain=one.domain)

    def _cure(self, one: Finding) -> None:
        if not one.cures:
            return
        self.incident = replace(self.incident, cures=one.cures)
        if one.proposal and one.proposal != self.incident.proposal:
            self.add("proposed", one.proposal)
            self.incident = replace(self.incident, proposal=one.proposal)

    def news(self) -> list[News]:
        return [News(self.incident, entry, number) for entry, number in self._added]
