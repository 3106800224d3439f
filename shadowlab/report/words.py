"""Numbers and counts as people read them.

In: plain numbers.  Out: short text.  Never: more digits than the measurement bears, ``nan`` on paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from shadowlab.model.diagnosis.ablation import CAP
from shadowlab.model.kpi import KPIS
from shadowlab.model.result import Provenance
from shadowlab.model.units import NS_PER_S
from shadowlab.model.verdict import CureOutcome

NOTHING = "–"


def plural(count: int, word: str) -> str:
    """``1 path``, ``2 paths``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}".replace(",", " ")


def short(text: str, most: int) -> str:
    """The text, its middle left out if it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    front = (most - 1) // 2 + (most - 1) % 2
    return f"{text[:front]}…{text[len(text) - (most - 1 - front) :]}"


def number(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}".replace(",", " ") if abs(value) >= 1e-4 else f"{value:.1e}"


def taken_back(one: CureOutcome) -> str:
    """What is broken after a cure was undone again; that something failed comes first."""
    if one.roll_back_failures:
        return f"{len(one.roll_back_failures)} steps failed"
    return NOTHING if one.rolled_back_share is None else f"{percent(one.rolled_back_share)} broken"


def percent(value: float) -> str:
    """A fraction as a percentage; what is not quite all or not quite nothing never looks like it."""
    if not math.isfinite(value):
        return NOTHING
    share = value * 100
    if 0 < share < 0.01:
        return "<0.01 %"
    if share == 0 or abs(share) >= 100:
        return f"{share:.0f} %"
    if 99.9 < share < 100:
        return ">99.9 %"
    return f"{share:.1f} %" if abs(share) >= 1 else f"{share:.2f} %"


def moment(at_ns: float) -> str:
    """A moment of the run: seconds since its start."""
    seconds = at_ns / NS_PER_S
    return f"{seconds:.0f} s" if seconds == round(seconds) else f"{seconds:.1f} s"


def void_windows(origin: Provenance, most: int = 5) -> str:
    """How many windows of a run are void, and when: ``3 of 120, 4–6 s, 9–10 s``."""
    spans = origin.void_windows_ns
    count = sum(to_ns - from_ns for from_ns, to_ns in spans) // NS_PER_S
    if not spans:
        return f"none of {origin.windows}"
    when = [f"{from_ns // NS_PER_S}–{moment(to_ns)}" for from_ns, to_ns in spans[:most]]
    more = f" and {len(spans) - most} more times" if len(spans) > most else ""
    return f"{count} of {origin.windows}, {', '.join(when)}{more}"


def indicator(name: str) -> str:
    """The indicator's name without its unit."""
    return {
        "latency_ms": "latency, median",
        "latency_p95_ms": "latency, 95th percentile",
        "srtt_ms": "smoothed RTT",
        "cwnd_segments": "congestion window",
        "throughput_mbps": "throughput",
        "retransmission_share": "retransmissions",
        "jitter_ms": "jitter",
        "queueing_ms": "queueing delay",
    }.get(name, name.replace("_", " "))


def measured(name: str, value: float) -> str:
    """A value of the indicator ``name`` with its unit."""
    kpi = KPIS.get(name)
    if kpi is None or not math.isfinite(value):
        return number(value)
    if kpi.unit == "fraction":
        return percent(value)
    return f"{number(value)}\N{MULTIPLICATION SIGN}" if kpi.unit == "ratio" else f"{number(value)} {kpi.unit}"


STREAMS = {"failures": "datagram_loss", "completion_p50_ms": "datagram_delay_ms"}
"""What a stream of datagrams has in the place of an exchange's indicator."""


def of_service(values: Mapping[str, float], name: str) -> str:
    """An indicator of a service, or a stream's in its place, with its unit; a dash where there is neither."""
    found = values.get(name, values.get(STREAMS.get(name, ""), math.nan))
    return measured(name, found)


def bayes_factor(log10: float) -> str:
    """Against no fault, as a power of ten."""
    if abs(log10) >= CAP:
        return "Bayes factor over 10^6" if log10 > 0 else "Bayes factor below 10^-6"
    return f"Bayes factor 10^{log10:.1f}"


def share(explained: float) -> str:
    """Of the misfit; what makes things worse explains nothing."""
    return f"{max(explained, 0.0) * 100:.0f} %"
