"""Events as they are written become events as values.

In: the form of a scenario file's events.  Out: events, and every fault with the keys that are to be mended.
Never: a look at the map: whether a link exists is for :mod:`shadowlab.lab.references`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import pydantic
from pydantic import BaseModel

from shadowlab.lab.events.event import (
    DEFAULT_GRACE_NS,
    DEFAULT_STEP_NS,
    MOST_STEPS,
    RESTATES,
    Event,
    Kind,
)
from shadowlab.lab.scenario_form import LINK_KEYS, RawEvent, RawStart, RawWindow
from shadowlab.model.units import NS_PER_MS, format_duration
from shadowlab.topology.link_keys.sections import ImpairmentSection
from shadowlab.topology.wording import plain_faults, subject

KINDS: tuple[Kind, ...] = get_args(Kind)
RAMPED = ("delay", "jitter", "loss", "duplicate", "corrupt", "reorder", "rate", "queue")
"""Keys with a number that can move."""
_GOES_WITH: Mapping[str, tuple[Kind, ...]] = {
    **dict.fromkeys(LINK_KEYS, ("degrade", "set", "ramp")),
    "metric": ("set",),
    "towards": ("degrade", "set", "ramp"),
    "flows": ("demand",),
    "from": ("ramp", "demand"),
    "over": ("ramp", "demand"),
    "every": ("ramp", "demand"),
    "period": ("flap",),
    "duty": ("flap",),
    "count": ("flap",),
    "until": ("flap",),
    "grace": ("drain",),
}
_LEAST_NS = 10 * NS_PER_MS
_MOST_FACTOR = 1000

Where = tuple[str | int, ...]
OnFault = Callable[[Where, str], None]


def read_event(
    raw: RawEvent, where: Where, *, duration_ns: int, baseline: RawWindow, place: Callable[[Where], str], fault: OnFault
) -> Event | None:
    """The event; None, and its faults told, if it is not exactly one."""
    kinds = [kind for kind in KINDS if getattr(raw, kind) is not None]
    if len(kinds) != 1:
        fault(where, f"an event is exactly one of {', '.join(KINDS)}")
        return None
    return _Reader(raw, kinds[0], where, duration_ns, baseline, fault).event(place((*where, kinds[0])))


class _Reader:
    """Reads one event of one kind and tells its faults on the way."""

    def __init__(
        self, raw: RawEvent, kind: Kind, where: Where, duration_ns: int, baseline: RawWindow, fault: OnFault
    ) -> None:
        self._raw = raw
        self._kind = kind
        self._where = where
        self._duration_ns = duration_ns
        self._baseline = baseline
        self._faults = 0
        self._tell = fault

    def _fault(self, message: str, *keys: str | int) -> None:
        self._faults += 1
        self._tell((*self._where, *keys), message)

    def event(self, place: str) -> Event | None:
        raw, kind = self._raw, self._kind
        given = {_written(name) for name in raw.model_fields_set} - set(KINDS) - {"at", "reason"}
        for key in sorted(given, key=list(_GOES_WITH).index):
            if kind not in _GOES_WITH[key]:
                self._fault(f"goes with {_either(_GOES_WITH[key])}, not with {kind}", key)
        stated = self._keys({key: getattr(raw, key) for key in LINK_KEYS if key in raw.model_fields_set})
        if kind in RESTATES and not stated and raw.metric is None and not self._faults:
            self._fault(f"{kind} needs at least one key of the link, like loss: 1 %")
        if raw.metric is not None and raw.towards is not None:
            self._fault("an event changes it both ways: leave out `towards`", "metric")
        if kind == "demand" and raw.demand is not None and not 0 <= raw.demand <= _MOST_FACTOR:
            self._fault(f"must lie between 0 and {_MOST_FACTOR}, got {raw.demand:g}", "demand")
        one = {
            "at_ns": raw.at,
            "kind": kind,
            "name": "" if kind == "demand" else str(getattr(raw, kind)),
            "towards": raw.towards or "",
            "reason": raw.reason,
            "stated": stated,
            "metric": raw.metric,
            "factor": raw.demand if raw.demand is not None else 1.0,
            "flows": tuple(raw.flows),
            "place": place,
        }
        found = Event(**cast(Any, one | self._course(stated)))
        self._moments(found)
        # What is wrong in itself is not held against the map as well.
        return found if not self._faults else None

    def _keys(self, data: Mapping[str, Any], *below: str) -> dict[str, Any]:
        """Values of a link's keys, checked as those of a map are."""
        try:
            return ImpairmentSection.model_validate(data).stated()
        except pydantic.ValidationError as error:
            for path, sentence, _ in plain_faults(error, ImpairmentSection, data):
                self._fault(sentence.removeprefix(f"{subject(path)}: "), *below, *path)
            return {}

    # --- what takes time ---------------------------------------------------------------------------------------

    def _course(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        raw, kind = self._raw, self._kind
        if kind == "ramp" or (kind == "demand" and {"over", "from_", "every"} & raw.model_fields_set):
            return self._ramp(stated)
        if kind == "flap":
            return self._flap()
        if kind == "drain":
            grace = DEFAULT_GRACE_NS if raw.grace is None else raw.grace
            if grace < 0:
                self._fault(f"must not be negative, got {format_duration(grace)}", "grace")
            return {"grace_ns": max(grace, 0)}
        return {}

    def _ramp(self, stated: Mapping[str, Any]) -> dict[str, Any]:
        raw = self._raw
        for key, value in stated.items():
            self._moves(key, value)
        start = self._start(raw.from_ or RawStart(), stated)
        if raw.over is None:
            self._fault("a ramp needs the time it takes: state `over`, like over: 30 s")
            return {}
        if raw.over < _LEAST_NS:
            self._fault(f"must be at least {format_duration(_LEAST_NS)}, got {format_duration(raw.over)}", "over")
            return {}
        every = DEFAULT_STEP_NS if raw.every is None else raw.every
        if every < _LEAST_NS:
            self._fault(f"must be at least {format_duration(_LEAST_NS)}, got {format_duration(every)}", "every")
            return {}
        steps = -(-raw.over // every)
        if steps > MOST_STEPS:
            self._fault(f"{steps} steps are more than {MOST_STEPS}: state a longer `every`", "over")
            return {}
        return start | {"over_ns": raw.over, "steps": steps}

    def _moves(self, key: str, value: Any, *below: str) -> None:
        if key not in RAMPED:
            self._fault(f"cannot move by steps; what can: {', '.join(RAMPED)}", *below, key)
        elif isinstance(value, BaseModel) or value is None:
            self._fault("only a plain number can move by steps", *below, key)

    def _start(self, raw: RawStart, stated: Mapping[str, Any]) -> dict[str, Any]:
        given = {key: getattr(raw, key) for key in LINK_KEYS if key in raw.model_fields_set}
        start = self._keys(given, "from")
        for key, value in start.items():
            if key not in stated:
                self._fault(f"nothing says where it moves to: state {key} beside `from`", "from", key)
            else:
                self._moves(key, value, "from")
        if raw.demand is not None and self._kind != "demand":
            self._fault("goes with demand, not with ramp", "from", "demand")
        if raw.demand is not None and not 0 <= raw.demand <= _MOST_FACTOR:
            self._fault(f"must lie between 0 and {_MOST_FACTOR}, got {raw.demand:g}", "from", "demand")
        return {"start": start, "start_factor": raw.demand}

    def _flap(self) -> dict[str, Any]:
        raw = self._raw
        if raw.period is None:
            self._fault("a flap needs its `period`, like period: 10 s")
            return {}
        if (raw.count is None) == (raw.until is None):
            self._fault("a flap ends after a `count` of times or at a moment, `until`: state one of the two")
            return {}
        if not 0 < raw.duty < 1:
            self._fault("is the share of the time that the link is up, above 0 and below 1", "duty")
            return {}
        down = round(raw.period * (1 - raw.duty))
        if min(down, raw.period - down) < _LEAST_NS:
            least = format_duration(_LEAST_NS)
            words = f"the link would be down {format_duration(down)} of each {format_duration(raw.period)}"
            self._fault(f"{words}; down and up take at least {least} each", "period")
            return {}
        count = raw.count if raw.count is not None else -(-((raw.until or 0) - raw.at) // raw.period)
        if count < 1:
            key = "count" if raw.count is not None else "until"
            self._fault("the link would never go down", key)
            return {}
        if count > MOST_STEPS // 2:
            self._fault(f"{count} times are more than {MOST_STEPS // 2}: state a longer period", "period")
            return {}
        last = raw.at + (count - 1) * raw.period + down
        until = last if raw.until is None else min(raw.until, last)
        return {"period_ns": raw.period, "down_ns": down, "count": count, "until_ns": until}

    def _moments(self, event: Event) -> None:
        first, last = self._baseline.from_, self._baseline.to
        if event.at_ns >= self._duration_ns or event.at_ns < 0:
            self._fault(f"lies outside the run of {format_duration(self._duration_ns)}", "at")
        elif first < event.at_ns < last:
            self._fault("lies within the baseline, where normal is learned", "at")
        elif self._faults or event.end_ns == event.at_ns:
            return
        elif event.end_ns > self._duration_ns:
            self._fault(
                f"the last of it would happen at {format_duration(event.end_ns)}, after the run of "
                f"{format_duration(self._duration_ns)}",
                "at",
            )
        elif event.at_ns <= first < event.end_ns:
            self._fault(f"lasts until {format_duration(event.end_ns)}, into the baseline", "at")


def _written(field: str) -> str:
    return field.removesuffix("_")


def _either(kinds: tuple[Kind, ...]) -> str:
    return kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} or {kinds[-1]}"
