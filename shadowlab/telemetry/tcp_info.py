"""``struct tcp_info`` becomes a record's fields.

In: the structure's bytes, of any kernel's length and either byte order; or its fields by name, as M-Lab's JSON has
them.  Out: the fields of a record that they tell.  Never: a zero for what the kernel does not know.

The kernel counts times in µs and rates in bytes per second.  It writes all ones, or a largest value, for what it does
not know yet: a minimum RTT without a sample, a pacing rate and a slow-start threshold without a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from shadowlab.wire.tcp_info import TCP_INFO_FIELDS, unpack_tcp_info

_COUNTS = {
    "snd_mss": "mss",
    "pmtu": "pmtu",
    "snd_cwnd": "cwnd_segments",
    "bytes_sent": "bytes_sent",
    "bytes_acked": "bytes_acked",
    "bytes_received": "bytes_received",
    "bytes_retrans": "bytes_retransmitted",
    "segs_out": "segments_out",
    "segs_in": "segments_in",
    "data_segs_out": "data_segments_out",
    "data_segs_in": "data_segments_in",
    "total_retrans": "retransmits_total",
    "total_rto": "timeouts",
    "lost": "lost_segments",
    "delivered": "delivered_segments",
    "delivered_ce": "delivered_ce_segments",
    "dsack_dups": "dsack_duplicates",
    "reord_seen": "reordering_seen",
    "rcv_ooopack": "out_of_order_segments",
    "snd_wnd": "send_window_bytes",
    "rcv_wnd": "receive_window_bytes",
    "notsent_bytes": "not_sent_bytes",
    "reordering": "reordering_segments",
}
_MICROSECONDS = {
    "rto": "rto_ns",
    "busy_time": "busy_ns",
    "rwnd_limited": "rwnd_limited_ns",
    "sndbuf_limited": "sndbuf_limited_ns",
}
_RATES = {
    "pacing_rate": "pacing_rate_bps",
    "max_pacing_rate": "max_pacing_rate_bps",
    "delivery_rate": "delivery_rate_bps",
}
NO_MIN_RTT = 2**32 - 1
NO_THRESHOLD = 0x7FFFFFFF
LARGEST = 2**63
_STATE, _OPTIONS, _FLAGS = 0, 5, 7
_NOT_AGREED = frozenset((2, 3, 10, 12))
"""States in which the ends have not agreed on options: the SYN is under way, or there is no connection."""
AGREED = tuple(
    {name: bool(options & bit) for name, bit in (("timestamps", 1), ("sack", 2), ("window_scaling", 4), ("ecn", 8))}
    for options in range(16)
)
"""What the bits of ``tcpi_options`` say (``linux/tcp.h``)."""


class _Plan(NamedTuple):
    counts: tuple[str, ...]
    pick: itemgetter[Any]
    microseconds: tuple[tuple[str, int], ...]
    rates: tuple[tuple[str, int], ...]
    at: Mapping[str, int]


@cache
def _plan(fields: int) -> _Plan:
    """How to take a structure of so many fields apart."""
    at = {name: index for index, (name, _, _) in enumerate(TCP_INFO_FIELDS[:fields])}
    counts = [(ours, at[theirs]) for theirs, ours in _COUNTS.items() if theirs in at]
    return _Plan(
        tuple(ours for ours, _ in counts),
        itemgetter(*(index for _, index in counts), 0, 0),  # two more, so that it always gives a tuple
        tuple((ours, at[theirs]) for theirs, ours in _MICROSECONDS.items() if theirs in at),
        tuple((ours, at[theirs]) for theirs, ours in _RATES.items() if theirs in at),
        at,
    )


def fields_of_bytes(payload: bytes, order: str = "=") -> dict[str, Any]:
    """The fields that the structure tells."""
    values = unpack_tcp_info(payload, order)
    plan = _plan(len(values))
    fields: dict[str, Any] = dict(zip(plan.counts, plan.pick(values), strict=False))
    at = plan.at
    for name, index in plan.microseconds:
        if values[index] < LARGEST // 1000:
            fields[name] = values[index] * 1000
    for name, index in plan.rates:
        if 0 < values[index] * 8 < LARGEST:  # 0: nothing measured yet
            fields[name] = values[index] * 8
    if "delivery_rate" in at:
        # The first bit of a byte: the lowest where the bytes, too, begin with the lowest.
        fields["app_limited"] = bool(values[_FLAGS] & (0x80 if order == ">" else 0x01))
    if values[_STATE] not in _NOT_AGREED:
        fields.update(AGREED[values[_OPTIONS] & 15])
    if "rttvar" in at and values[at["rtt"]]:
        fields["srtt_ns"] = values[at["rtt"]] * 1000
        fields["rttvar_ns"] = values[at["rttvar"]] * 1000
    if "min_rtt" in at and values[at["min_rtt"]] != NO_MIN_RTT:
        fields["min_rtt_ns"] = values[at["min_rtt"]] * 1000
    if "snd_ssthresh" in at and values[at["snd_ssthresh"]] < NO_THRESHOLD:
        fields["ssthresh_segments"] = values[at["snd_ssthresh"]]
    if fields and max(fields.values()) >= LARGEST:
        fields = {name: value for name, value in fields.items() if value < LARGEST}
    return fields


_BY_GO_NAME = {
    name.replace("_", ""): index
    for index, name in enumerate(name for name, _, _ in TCP_INFO_FIELDS if name not in ("wscales", "flags"))
}


def fields_of_names(info: Mapping[str, object]) -> dict[str, Any]:
    """The fields that M-Lab's JSON form of the structure tells (``"RTT": 1234``): Go's names, the kernel's units.

    A field that is not there is unknown.  Raises ValueError for one that is no whole number.
    """
    by_name: dict[str, int] = {}
    for key, value in info.items():
        plain = key.lower()
        if plain not in _BY_GO_NAME and plain != "applimited":
            continue
        if not isinstance(value, int) or (isinstance(value, bool) and plain != "applimited"):
            raise ValueError(f"{key} is {str(value)[:40]!r}, which is no whole number")
        by_name[plain] = value
    fields: dict[str, Any] = {}

    def copy(names: Mapping[str, str], factor: int) -> None:
        for theirs, ours in names.items():
            value = by_name.get(theirs.replace("_", ""))
            # Go's signed 64 bits turn the kernel's "no limit" into -1.
            if value is not None and 0 <= value * factor < LARGEST:
                fields[ours] = value * factor

    copy(_COUNTS, 1)
    copy(_MICROSECONDS, 1000)
    copy({theirs: ours for theirs, ours in _RATES.items() if by_name.get(theirs.replace("_", ""))}, 8)
    if by_name.get("rtt"):
        copy({"rtt": "srtt_ns", "rttvar": "rttvar_ns"}, 1000)
    if by_name.get("minrtt", NO_MIN_RTT) != NO_MIN_RTT:
        copy({"min_rtt": "min_rtt_ns"}, 1000)
    if by_name.get("sndssthresh", NO_THRESHOLD) < NO_THRESHOLD:
        copy({"snd_ssthresh": "ssthresh_segments"}, 1)
    if "options" in by_name and by_name.get("state") not in _NOT_AGREED:
        fields |= AGREED[by_name["options"] & 15]
    if "applimited" in by_name and "delivery_rate_bps" in fields:
        fields["app_limited"] = bool(by_name["applimited"] & 1)
    return fields
