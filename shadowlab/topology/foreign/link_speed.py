"""How fast a link of the Topology Zoo is.

In: the attributes of an edge.  Out: bits per second, and where they came from; or None when nothing readable is said.
Never: a guess from a label that names two speeds, a range or a bound.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_UNIT = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}
_SPEED = re.compile(
    r"(?:(?P<count>\d{1,3})\s*[x*×]\s*)?(?P<number>\d+(?:[.,]\d+)?)\s*(?P<unit>[kmgt])"
    r"(?:(?:iga|ega)?b(?:its?)?(?:ps|/s)?|(?:b|ig)?e)?(?![a-z])",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_OPTICAL = re.compile(r"\b(?P<kind>OC|STM)-?(?P<level>\d{1,4})c?\b", re.IGNORECASE)
_OPTICAL_BPS = {"oc": 51_840_000, "stm": 155_520_000}
"""SONET's OC-1 and SDH's STM-1 (ITU-T G.707)."""
_CARRIER_BPS = {"e1": 2_048_000, "e3": 34_368_000, "t1": 1_544_000, "ds1": 1_544_000, "t3": 44_736_000}
_CARRIER_BPS |= {"ds3": 44_736_000}
_CARRIER = re.compile(r"\b(E1|E3|T1|T3|DS-?1|DS-?3)\b", re.IGNORECASE)
_BOUND = re.compile(r"[<>≤≥~]|\b(up to|at least|under|over)\b", re.IGNORECASE)
HIGHEST_BPS = 1e15


def link_speed(data: Mapping[str, str]) -> tuple[int, str] | None:
    """Bits per second and the attribute they were read from; the attribute is empty where the rate is stated plainly
    (``LinkSpeedRaw``)."""
    raw = _number(data.get("LinkSpeedRaw", ""))
    if raw is not None:
        return round(raw), ""
    number, unit = _number(data.get("LinkSpeed", "")), data.get("LinkSpeedUnits", "").strip().lower()[:1]
    if number is not None and unit in _UNIT and unit and _plausible(number * _UNIT[unit]):
        return round(number * _UNIT[unit]), f"LinkSpeed {data['LinkSpeed']} {data['LinkSpeedUnits']}"
    for attribute in ("LinkLabel", "LinkType", "LinkNote"):
        text = data.get(attribute, "")
        speed = spoken_speed(text)
        if speed is not None:
            return speed, f"{attribute} '{text[:40]}'"
    return None


def spoken_speed(text: str) -> int | None:
    """``10 Gbps``, ``2 x 2.5G``, ``OC-192c``, ``STM-16``, ``E3`` to bits per second; None where it is not clear."""
    text = text[:200]
    if _BOUND.search(text):
        return None
    found: list[float] = []
    for match in _SPEED.finditer(text):
        speed = float(match["number"].replace(",", ".")) * _UNIT[match["unit"].lower()]
        found.append(speed * int(match["count"] or 1))
    rest = _SPEED.sub(" ", text)
    found += [_OPTICAL_BPS[m["kind"].lower()] * int(m["level"]) for m in _OPTICAL.finditer(rest)]
    rest = _OPTICAL.sub(" ", rest)
    found += [_CARRIER_BPS[m[1].lower().replace("-", "")] for m in _CARRIER.finditer(rest)]
    rest = _CARRIER.sub(" ", rest)
    # A number left over may be the other end of a range, or a count: what is meant is not clear.
    if len(found) != 1 or _NUMBER.search(rest) or not _plausible(found[0]):
        return None
    return round(found[0])


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and _plausible(value) else None


def _plausible(speed: float) -> bool:
    return 0 < speed <= HIGHEST_BPS and speed >= 1e-6
