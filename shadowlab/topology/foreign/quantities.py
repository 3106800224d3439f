"""What a link does to packets, from the keys that tools commonly write.

In: a mapping of a link's attributes.  Out: :class:`~shadowlab.topology.foreign.drawing.Traits`.  Never: a guessed unit:
it stands in the value (``"10 ms"``) or in the key (``delay_ms``); a number without one is told of and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from shadowlab.model.units import parse_duration, parse_fraction, parse_rate
from shadowlab.topology.foreign.drawing import Traits
from shadowlab.topology.quantities import UNLIMITED

_WORDS = {
    "delay_ns": ("delay", "latency"),
    "jitter_ns": ("jitter",),
    "loss": ("loss", "packet_loss", "packet-loss", "loss_rate"),
    "rate_bps": ("rate", "bandwidth", "capacity", "speed", "bw"),
}
_TIME = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_SPEED = {"bps": 1, "kbps": 10**3, "mbps": 10**6, "gbps": 10**9, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SHARE = {"percent": 0.01, "pct": 0.01, "ratio": 1.0, "fraction": 1.0}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "delay_ns": _TIME, "jitter_ns": _TIME, "rate_bps": _SPEED, "loss": _SHARE,
}  # fmt: skip
_PARSERS: Mapping[str, Callable[[str], float]] = {
    "delay_ns": parse_duration, "jitter_ns": parse_duration, "rate_bps": parse_rate, "loss": parse_fraction,
}  # fmt: skip


class Attribute(Protocol):
    """A value that knows its place."""

    value: Any

    def wrong(self, message: str) -> None: ...
    def number(self, least: float = ..., most: float = ...) -> float | None: ...


class Attributes(Protocol):
    """A mapping of such values."""

    def __getitem__(self, key: str) -> Attribute: ...
    def __contains__(self, key: str) -> bool: ...


def read_traits(attributes: Attributes) -> Traits:
    """What the attributes say of delay, jitter, loss, rate, queue and MTU; they remember their faults themselves."""
    found: dict[str, Any] = {}
    unread: list[str] = []
    for field in _WORDS:
        for key, unit in _keys(field):
            if key in attributes and attributes[key].value not in (None, ""):
                value = _quantity(attributes[key], field, unit)
                if value == UNLIMITED:
                    found["unlimited"] = True
                elif isinstance(value, str):
                    unread.append(f"{key} {value}")
                elif value is not None:
                    found[field] = value
                break
    for field, keys, most in (("queue_packets", ("queue", "queue_packets"), 2**31), ("mtu", ("mtu",), 65_521)):
        for key in keys:
            if key in attributes and attributes[key].value is not None:
                number = attributes[key].number(1, most)
                if number is not None:
                    found[field] = round(number)
                break
    return Traits(unread=tuple(unread), **found)


def _keys(field: str) -> Iterator[tuple[str, str]]:
    for word in _WORDS[field]:
        yield word, ""
        for unit in _UNITS[field]:
            yield f"{word}_{unit}", unit


def _quantity(attribute: Attribute, field: str, unit: str) -> float | int | str | None:
    """The value; None for a fault; text says why it cannot be used."""
    value = attribute.value
    if unit:
        number = attribute.number(0)
        return None if number is None else _of_type(field, number * _UNITS[field][unit])
    if field == "rate_bps" and value == UNLIMITED:
        return UNLIMITED
    if isinstance(value, str) and not _plain(value):
        try:
            return _PARSERS[field](value)
        except ValueError as error:
            attribute.wrong(str(error))
            return None
    number = attribute.number(0)
    if number is None or (field == "loss" and number <= 1):
        return number
    if number == 0 and field != "rate_bps":
        return 0
    return f"{number:g} has no unit"


def _plain(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _of_type(field: str, value: float) -> float | int:
    return value if field == "loss" else round(value)
