"""How distributions and arrivals are written.

In: plain data of a scenario.  Out: distributions in bytes or nanoseconds, arrival processes.  Raises ValueError that
says how it is written.

A distribution is a plain quantity (``64 kB``: always the same), the name of a known one (``web-search``), or a mapping
with one family: ``{exponential: 2 s}``, ``{lognormal: {median: 10 kB, sigma: 1.2}}``,
``{empirical: [[1 kB, 50 %], [1 MB, 100 %]]}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from shadowlab.model.traffic.distribution import PARAMETERS, PURE, Distribution, Family, constant
from shadowlab.model.traffic.named import NAMED
from shadowlab.model.traffic.workload import Arrivals
from shadowlab.model.units import NS_PER_S, parse_duration, parse_fraction, parse_size
from shadowlab.topology.wording import did_you_mean

FAMILIES: tuple[Family, ...] = get_args(Family)
_RATE = re.compile(r"^\s*(?:poisson\s+)?(\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)\s*/\s*(s|min|h)\s*$")
_PER_S = {"s": 1, "min": 60, "h": 3600}
MOST_RATE_PER_S = 1_000_000
MOST_LISTED = 1_000_000
MOST_POINTS = 10_000

Parse = Callable[[str], int]


def sizes(value: object) -> Distribution:
    """A distribution of sizes, in bytes."""
    return _distribution(value, parse_size, "64 kB", NAMED)


def times(value: object) -> Distribution:
    """A distribution of times, in nanoseconds."""
    return _distribution(value, parse_duration, "2 ms", {})


def arrivals(value: object) -> Arrivals:
    """``50/s`` (Poisson), ``{rate: 50/s, on: …, off: …}``, ``{gaps: …}``, ``{at: [1 s, 2 s]}``."""
    if isinstance(value, str):
        return Arrivals(process="poisson", rate_per_s=_rate(value))
    if not isinstance(value, Mapping):
        raise ValueError("write arrivals like `50/s`, {rate: 50/s, on: 1 s, off: 4 s}, {gaps: …} or {at: [1 s, 2 s]}")
    keys = set(value)
    if keys == {"rate"}:
        return Arrivals(process="poisson", rate_per_s=_rate(value["rate"]))
    if keys == {"rate", "on", "off"}:
        on, off = times(value["on"]), times(value["off"])
        return Arrivals(process="on-off", rate_per_s=_rate(value["rate"]), on_ns=on, off_ns=off)
    if keys == {"gaps"}:
        return Arrivals(process="empirical", gap_ns=times(value["gaps"]))
    if keys == {"at"} and isinstance(value["at"], list):
        if len(value["at"]) > MOST_LISTED:
            raise ValueError(f"more than {MOST_LISTED} moments are listed")
        return Arrivals(process="listed", at_ns=tuple(sorted(parse_duration(str(one)) for one in value["at"])))
    raise ValueError(
        f"arrivals are {{rate}}, {{rate, on, off}}, {{gaps}} or {{at}}, not {{{', '.join(map(str, keys))}}}"
    )


def _rate(value: object) -> float:
    match = _RATE.match(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a rate of arrivals; write it like `50/s`")
    rate = float(match[1]) / _PER_S[match[2]]
    if not 0 < rate <= MOST_RATE_PER_S:
        raise ValueError(f"must lie above 0/s and not above {MOST_RATE_PER_S}/s, got {rate:g}/s")
    return rate


def _distribution(value: object, parse: Parse, example: str, named: Mapping[str, Distribution]) -> Distribution:
    if isinstance(value, bool) or value is None:
        raise ValueError(f"write a quantity like `{example}`, or a distribution like {{exponential: {example}}}")
    if isinstance(value, str) and value in named:
        return named[value]
    if isinstance(value, str) and value[:1].isalpha():
        known = [*named, *FAMILIES]
        near = did_you_mean(value, known) or f"; there are {', '.join(known)}"
        raise ValueError(f"no distribution is called {value!r}{near}")
    if isinstance(value, str | int | float):
        return constant(_positive(parse(str(value))))
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError(f"a distribution has one family: {', '.join(FAMILIES)}")
    family, given = next(iter(value.items()))
    if family not in FAMILIES:
        raise ValueError(
            f"no family {family!r}{did_you_mean(str(family), FAMILIES) or '; there are ' + ', '.join(FAMILIES)}"
        )
    family = cast(Family, family)
    if family == "empirical":
        return Distribution(family=family, points=_points(given, parse))
    wanted = PARAMETERS[family]
    if not isinstance(given, Mapping):
        if len(wanted) > 1:
            raise ValueError(f"{family} takes {', '.join(wanted)}")
        given = {wanted[0]: given}
    if set(given) != set(wanted):
        raise ValueError(f"{family} takes {', '.join(wanted)}; got {', '.join(map(str, given)) or 'nothing'}")
    return Distribution(family=family, parameters=tuple(_parameter(name, given[name], parse) for name in wanted))


def _parameter(name: str, value: Any, parse: Parse) -> float:
    if name not in PURE:
        return float(_positive(parse(str(value))))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is a plain number, got {value!r}")
    return float(value)


def _points(value: Any, parse: Parse) -> tuple[tuple[float, float], ...]:
    if not isinstance(value, list) or not all(isinstance(one, list) and len(one) == 2 for one in value):
        raise ValueError("empirical is a list of points [value, share at or below it]")
    if len(value) > MOST_POINTS:
        raise ValueError(f"more than {MOST_POINTS} points")
    return tuple((float(_positive(parse(str(size)))), parse_fraction(str(share))) for size, share in value)


def _positive(value: int) -> int:
    if value < 0:
        raise ValueError("must not be negative")
    if value > 10**9 * NS_PER_S:
        raise ValueError("is too large")
    return value
