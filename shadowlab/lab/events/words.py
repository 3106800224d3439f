"""An event in one line, for timelines.

In: events.  Out: text.  Never: one line for each step of an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from shadowlab.lab.events.event import Event
from shadowlab.model.units import format_duration, format_fraction, format_rate
from shadowlab.topology.link_keys.sections import Limit

_TIMES = ("delay", "jitter", "size", "least", "most", "rtt", "target", "interval", "update")


def describe_event(event: Event) -> str:
    """What happens; a whole flap or ramp is one line."""
    match event.kind:
        case "demand":
            return _demand(event)
        case "fail":
            return f"{event.name} fails"
        case "restore":
            return f"{event.name} comes back"
        case "flap":
            down, period = format_duration(event.down_ns), format_duration(event.period_ns)
            times = f"{event.count} time{'' if event.count == 1 else 's'}"
            return f"{event.name} flaps {times}: down {down} of each {period}"
        case "drain":
            return f"{event.name} is drained (planned), and down after {format_duration(event.grace_ns)}"
        case "undrain":
            return f"{event.name} is back in service (planned)"
    words = [_ramped(event, key) if event.kind == "ramp" else key_words(key, event.stated[key]) for key in event.stated]
    words += [f"metric {event.metric}"] if event.metric is not None else []
    does = {"degrade": "degrades", "set": "is set", "ramp": f"moves over {format_duration(event.over_ns)}"}[event.kind]
    return f"{event.name}{f' towards {event.towards}' if event.towards else ''} {does}: {', '.join(words)}"


def _demand(event: Event) -> str:
    what = f"demand of {len(event.flows) or 'all'} flows"
    if not event.over_ns:
        return f"{what} times {event.factor:g}"
    start = f"from {event.start_factor:g} times " if event.start_factor is not None else ""
    return f"{what} moves over {format_duration(event.over_ns)}: {start}to {event.factor:g} times"


def _ramped(event: Event, key: str) -> str:
    start = f" from {_value(key, event.start[key])}" if key in event.start else ""
    return f"{key}{start} to {_value(key, event.stated[key])}"


def key_words(key: str, value: Any) -> str:
    """``loss 10 %``, ``queue 3 packets``, ``queue (kind codel, target 5 ms)``."""
    return f"{key} {_value(key, value)}"


def _value(key: str, value: Any) -> str:
    if isinstance(value, BaseModel):
        return f"({', '.join(key_words(name, one) for name, one in _stated(value).items())})"
    if isinstance(value, Limit):
        return f"{value.amount:g} {value.unit}"
    if isinstance(value, tuple):
        return f"{len(value)} values"
    if isinstance(value, bool):
        return "on" if value else "off"
    if key in _TIMES and isinstance(value, int):
        return format_duration(value)
    if key == "rate":
        return "unlimited" if value is None else format_rate(value)
    if key == "queue":
        return f"{value} packets"
    return format_fraction(value) if isinstance(value, float) else str(value)


def _stated(section: BaseModel) -> Mapping[str, Any]:
    return {name: getattr(section, name) for name in type(section).model_fields if name in section.model_fields_set}
