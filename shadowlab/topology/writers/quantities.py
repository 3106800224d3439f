"""Quantities with their unit, exact to the nanosecond and the bit.

In: numbers.  Out: text that :mod:`shadowlab.model.units` reads back as the same number.
"""

from __future__ import annotations

from decimal import Decimal

from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Impairment

_TIMES = ((10**9, "s"), (10**6, "ms"), (10**3, "us"), (1, "ns"))
_RATES = ((10**9, "Gbit"), (10**6, "Mbit"), (10**3, "kbit"), (1, "bit"))


def exact_time(value_ns: int) -> str:
    """``3.5 ms``."""
    return _exact(value_ns, _TIMES)


def exact_rate(value_bps: int) -> str:
    """``2.5 Gbit``."""
    return _exact(value_bps, _RATES)


def exact_percent(fraction: float) -> str:
    """``0.1 %``."""
    return f"{(Decimal(str(fraction)) * 100).normalize():f} %"


def _exact(value: int, units: tuple[tuple[int, str], ...]) -> str:
    factor, unit = next(((factor, unit) for factor, unit in units if value >= factor), units[-1])
    return f"{(Decimal(value) / factor).normalize():f} {unit}"


def plain_quantities(one: Impairment) -> tuple[dict[str, str], list[str]]:
    """Delay, jitter, loss and rate as tools commonly spell them; and the names of what that leaves out."""
    found = {"delay": exact_time(one.delay_ns)}
    if one.jitter_ns:
        found["jitter"] = exact_time(one.jitter_ns)
    if one.loss:
        found["loss"] = exact_percent(one.loss)
    if one.rate_bps is not None:
        found["rate"] = exact_rate(one.rate_bps)
    if one.queue_packets != DEFAULT_QUEUE_PACKETS:
        found["queue"] = str(one.queue_packets)
    more = {
        "the shape of jitter": one.jitter_shape,
        "correlated loss": one.loss_correlation or one.loss_model,
        "duplication": one.duplicate,
        "corruption": one.corrupt,
        "reordering": one.reorder,
        "framing": one.framing,
        "slots": one.slot,
        "ECN": one.ecn or None,
        "seed": one.seed,
        "queue discipline": one.queue,
    }
    return found, [name for name, value in more.items() if value]
