"""A calibration of before and one of now become one: what is not seen now keeps its value, and ages.

In: two values of the same property, and the time between them.  Out: one value; a finding where both cannot be true.
Never: a value that grows surer by waiting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shadowlab.model.calibration import PROPERTIES, Finding, LinkCalibration, Value
from shadowlab.model.units import NS_PER_S, format_duration

AGE_NS = {
    "delay_ns": 7 * 24 * 3600 * NS_PER_S,
    "rate_bps": 24 * 3600 * NS_PER_S,
    "queue_packets": 24 * 3600 * NS_PER_S,
    "loss": 3600 * NS_PER_S,
    "jitter_ns": 3600 * NS_PER_S,
    "reorder": 3600 * NS_PER_S,
    "background_bps": 600 * NS_PER_S,
}
"""After this time an interval is wider by the square root of two: fibres stay, faults and loads do not."""
_LEAST_SHARE = 0.005
"""An interval of no width at all could not age."""
_APART = 3.0
"""Two values further apart than so many of their common standard deviations are not the same."""
_TOLD_SHARE = 0.1


def remembered(
    before: Sequence[LinkCalibration], now: Sequence[LinkCalibration], now_ns: int
) -> tuple[tuple[LinkCalibration, ...], list[Finding]]:
    """The links of ``now``, with what ``before`` knew of them."""
    known = {one.direction: one for one in before}
    findings: list[Finding] = []
    result = []
    for link in now:
        old = known.get(link.direction)
        if old is None:
            result.append(link)
            continue
        values: dict[str, Any] = {}
        for name in PROPERTIES:
            past, present = getattr(old, name), getattr(link, name)
            values[name], drift = joined(past, present, AGE_NS[name], now_ns)
            if drift:
                findings.append(_drift(link, name, past, present))
        merged = replace(link, **values)
        if not link.discipline and old.discipline:
            merged = replace(merged, discipline=old.discipline, ecn=old.ecn)
        result.append(merged)
    return tuple(result), findings


def joined(past: Value, present: Value, age_ns: int, now_ns: int) -> tuple[Value, bool]:
    """One value of two, and whether they contradict each other."""
    if past.seen_ns <= 0 or past.standing == "prior":
        return present, False
    aged = _aged(past, max(now_ns - past.seen_ns, 0), age_ns)
    if present.standing == "prior" or present.value is None:
        return aged, False
    if past.seen_ns >= present.seen_ns:
        return present, False  # the same records again
    if aged.standing == "bounded" and present.standing == "bounded":
        return _tighter(aged, present), False
    if present.standing == "bounded":
        contradicted = (present.high is not None and (aged.low or 0.0) > present.high) or (
            present.low is not None and aged.high is not None and present.low > aged.high
        )
        return (present, True) if contradicted else (aged, False)
    if aged.standing == "bounded":
        return present, False
    return _mean(aged, present)


def _aged(value: Value, elapsed_ns: int, age_ns: int) -> Value:
    if value.value is None or not elapsed_ns:
        return value
    wider = math.sqrt(1 + elapsed_ns / age_ns)
    least = _LEAST_SHARE * abs(value.value)
    low = None if value.low is None else max(value.value - max(value.value - value.low, least) * wider, 0.0)
    high = None if value.high is None else value.value + max(value.high - value.value, least) * wider
    why = value.why.partition("; last seen")[0]
    return replace(value, low=low, high=high, why=f"{why}; last seen {format_duration(elapsed_ns)} before")


def _tighter(past: Value, present: Value) -> Value:
    """Of two bounds the narrower one; the value is the newer one's, within."""
    lows = [one for one in (past.low, present.low) if one is not None]
    highs = [one for one in (past.high, present.high) if one is not None]
    low, high = max(lows, default=None), min(highs, default=None)
    if low is not None and high is not None and low > high:
        return present
    value = present.value
    if value is not None:
        value = max(value, low) if low is not None else value
        value = min(value, high) if high is not None else value
    return replace(present, value=value, low=low, high=high)


def _deviation(value: Value) -> float:
    assert value.value is not None
    sides = [abs(value.value - one) for one in (value.low, value.high) if one is not None]
    return max([*sides, _LEAST_SHARE * abs(value.value)]) / 2


def _mean(past: Value, present: Value) -> tuple[Value, bool]:
    """Weighted by how sure each is; where they contradict each other the newer one alone."""
    if past.value is None or present.value is None:
        return present, False
    one, other = _deviation(past), _deviation(present)
    apart = abs(past.value - present.value)
    if apart > _APART * math.hypot(one, other) and apart > _TOLD_SHARE * max(abs(past.value), abs(present.value)):
        return present, True
    if past.standing != "measured" or not one or not other:
        return present, False
    old, new = 1 / one**2, 1 / other**2
    value, half = (old * past.value + new * present.value) / (old + new), 2 / math.sqrt(old + new)
    return (
        replace(
            present,
            value=value,
            low=None if present.low is None else max(value - half, 0.0),
            high=None if present.high is None else value + half,
            samples=present.samples + past.samples,
        ),
        False,
    )


def _drift(link: LinkCalibration, name: str, past: Value, present: Value) -> Finding:
    was, now = past.value, present.value
    return Finding(
        kind="drift",
        subject=str(link.direction),
        message=f"its {name.partition('_')[0]} was {was or 0:.6g} and is {now or 0:.6g} now ({name}): it has changed",
        effect="the newer value is taken",
        records=present.samples,
    )
