"""What a run says at its end beside its verdict: whether expectations were met, and what happened when.

In: what was prepared and judged.  Out: expectations with their outcome; the timeline.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.detect.threshold.policy import incidents
from shadowlab.lab.analyse import Judgement
from shadowlab.lab.conclude import best_cure
from shadowlab.lab.events.words import describe_event
from shadowlab.lab.prepare import Prepared
from shadowlab.mitigate.candidate import NOTHING
from shadowlab.model.level import LevelOutcome
from shadowlab.model.result import TimelineEntry
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import CureOutcome, FaultDomain

TOGETHER_NS = 30 * NS_PER_S
"""Anomalies whose onsets follow each other within this are one incident."""


def expectations_of(
    prepared: Prepared, fault: FaultDomain | None, cures: Sequence[CureOutcome], after: Sequence[LevelOutcome]
) -> dict[str, bool]:
    """What the scenario expects, and whether it came so.  ``after``: the service levels since the event."""
    expect = prepared.scenario.expect
    found: dict[str, bool] = {}
    if expect is None:
        return found
    if expect.fault is not None:
        blamed = fault.links if fault is not None and (expect.fault or fault.kind != "overload") else ()
        words = f"the fault domain is {' and '.join(expect.fault)}" if expect.fault else "no link is blamed"
        found[words] = tuple(sorted(blamed)) == expect.fault
    if expect.broken is not None:
        broken = tuple(sorted({one.level for one in after if not one.holds}))
        found[f"broken is {' and '.join(expect.broken) or 'nothing'}"] = broken == expect.broken
    if expect.best is not None:
        best = best_cure(cures)
        found[f"the best cure is {expect.best}"] = (NOTHING.name if best is None else best.cure) == expect.best
    return found


def timeline(prepared: Prepared, judgement: Judgement, detected: int) -> tuple[TimelineEntry, ...]:
    """Events, and what was noticed of them, in order of time."""
    entries = [
        TimelineEntry(
            at_ns=event.at_ns,
            kind="planned" if event.kind in ("drain", "undrain") else "event",
            text=describe_event(event) + (f" ({event.reason})" if event.reason else ""),
        )
        for event in prepared.scenario.events
    ]
    if judgement.anomalies:
        first = min(judgement.anomalies, key=lambda one: (one.detected_ns, one.path))
        groups = incidents([(one.onset_ns, one.path) for one in judgement.anomalies], within_ns=TOGETHER_NS)
        for later in groups[1:]:
            count = len(later.subjects)
            words = f"{count} paths begin" if count > 1 else f"{later.subjects[0]} begins"
            entries.append(
                TimelineEntry(
                    at_ns=later.onset_ns, kind="onset", text=f"another incident: {words} to leave the baseline"
                )
            )
        entries.append(
            TimelineEntry(at_ns=first.onset_ns, kind="onset", text=f"{first.path} begins to leave its baseline")
        )
        entries.append(
            TimelineEntry(
                at_ns=detected,
                kind="detected",
                text=f"anomaly on {first.path}: {first.leading_kpi}, score {first.score:.1f}",
            )
        )
        if judgement.domain is not None:
            where = " and ".join(judgement.domain.links) or "no link explains it"
            entries.append(TimelineEntry(at_ns=judgement.localised_ns, kind="localised", text=f"fault domain: {where}"))
    return tuple(sorted(entries, key=lambda one: one.at_ns))
