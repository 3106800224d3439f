"""What TCP makes of a connection by itself: observed, never set, and compared with production.

In: nothing.  Out: names, units, and where records and the kernel's ``tcp_info`` hold them.  Never: a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Parameter(NamedTuple):
    """``name`` ends with its unit.  A record's field is divided by ``record_per``, a field of ``tcp_info`` by
    ``info_per``.  From ``nothing_from`` on the kernel's number means that there is none; zero does wherever
    ``zero_is_none``.  ``scales``: divided with rates and windows in a run that is scaled down."""

    name: str
    record: str
    record_per: float
    info: str
    info_per: float
    nothing_from: int = 1 << 62
    zero_is_none: bool = False
    scales: bool = False


OBSERVED = (
    Parameter("cwnd_segments", "cwnd_segments", 1, "snd_cwnd", 1, scales=True),
    Parameter("ssthresh_segments", "ssthresh_segments", 1, "snd_ssthresh", 1, 0x7FFFFFFF, scales=True),
    Parameter("reordering_segments", "reordering_segments", 1, "reordering", 1),
    Parameter("rto_ms", "rto_ns", 1e6, "rto", 1e3),
    Parameter("srtt_ms", "srtt_ns", 1e6, "rtt", 1e3, zero_is_none=True),
    Parameter("min_rtt_ms", "min_rtt_ns", 1e6, "min_rtt", 1e3, 0xFFFFFFFF),
    Parameter("delivery_rate_mbps", "delivery_rate_bps", 1e6, "delivery_rate", 1.25e5, zero_is_none=True, scales=True),
    Parameter("pacing_rate_mbps", "pacing_rate_bps", 1e6, "pacing_rate", 1.25e5, zero_is_none=True, scales=True),
    Parameter("send_window_bytes", "send_window_bytes", 1, "snd_wnd", 1, scales=True),
    Parameter("mss_bytes", "mss", 1, "snd_mss", 1),
)


@dataclass(frozen=True, kw_only=True)
class FlowParameters:
    """Of one flow: ``observed`` are (recorded, shadow) by the name of :data:`OBSERVED`, each a mean over its samples,
    NaN where nobody knows.  ``differs``: what it was to hold and does not, in words; empty if nothing."""

    flow: str
    differs: str = ""
    observed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
