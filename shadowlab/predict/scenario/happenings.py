"""Scenarios of a whole timeline: events as a scenario file writes them.

In: a situation, a list of events or ``own``.  Out: the same with events, which the lab checks as those of a scenario.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from shadowlab.predict.scenario.form import Form, Kind
from shadowlab.predict.scenario.situation import Situation


class TimelineForm(Form):
    timeline: Literal["own"] | list[dict[str, Any]]


def _timeline(form: TimelineForm, situation: Situation, written: str) -> Situation:
    if form.timeline == "own":
        return replace(situation, own_events=True).told("the events of the scenario happen")
    if not form.timeline:
        raise ValueError("the timeline has no event")
    count = len(form.timeline)
    return replace(situation, happenings=(*situation.happenings, *form.timeline)).told(
        f"{count} event{'s' if count > 1 else ''} on a timeline"
    )


TIMELINE = Kind(
    name="timeline",
    form=TimelineForm,
    apply=_timeline,
    stage=9,
    meaning="events as in a scenario file, in a file of questions; `own`: those of the scenario asked about",
    example="timeline=own",
)
