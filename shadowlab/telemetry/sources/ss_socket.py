"""The details of one socket as ``ss -tinOHm`` prints them, word by word.

In: the words behind the addresses.  Out: the fields of a record, and where in the words each number stands; a field
that ss did not print is absent, unless ss leaves it out exactly when it is zero.
Raises ValueError with the reason for what cannot be read.  Never: a guess.

The format follows ``misc/ss.c`` of iproute2 (``tcp_stats_print``): rates stand behind a space
(``delivery_rate 1.1Mbps``), everything else behind a colon; times are milliseconds, rates bits per second.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

LARGEST = 2**63
"""No honest counter comes near it.  A pacing rate does: the kernel's word for "no limit yet" is 2**64 - 1 bytes/s."""

_FLAGS = "ts sack ecn ecnseen fastopen fastopen_child usec_ts app_limited bidir send pacing_rate delivery_rate"
_BARE = frozenset(_FLAGS.split())
_MS = 1e6
_FACTOR = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

NUMBER = re.compile(r"[\d.]+", re.ASCII)
_WHOLE = re.compile(r"(\d{1,20})", re.ASCII)
_DECIMAL = r"([\d.]{1,40})"
_MILLISECONDS = re.compile(_DECIMAL, re.ASCII)
_RTT = re.compile(_DECIMAL + r"(?:/" + _DECIMAL + ")?", re.ASCII)
_BUSY = re.compile(_DECIMAL + r"ms(?:\([\d.]+%\))?", re.ASCII)
_RETRANSMITTED = re.compile(r"(?:\d+/)?(\d{1,20})", re.ASCII)
_MEMORY = re.compile(r"\(r\d+,rb(\d{1,20}),(?:t\d{1,20},tb(\d{1,20}),)?.*", re.ASCII)
_RATE = re.compile(r"([\d.]{1,40})([KMGT]?)bps(?:/([\d.]{1,40})([KMGT]?)bps)?", re.ASCII)

_RULES: dict[str, tuple[re.Pattern[str], tuple[tuple[str, float | None], ...]]] = {
    key: (_WHOLE, ((name, None),))
    for key, name in {
        "mss": "mss",
        "pmtu": "pmtu",
        "cwnd": "cwnd_segments",
        "ssthresh": "ssthresh_segments",
        "bytes_sent": "bytes_sent",
        "bytes_acked": "bytes_acked",
        "bytes_received": "bytes_received",
        "bytes_retrans": "bytes_retransmitted",
        "segs_out": "segments_out",
        "segs_in": "segments_in",
        "data_segs_out": "data_segments_out",
        "data_segs_in": "data_segments_in",
        "lost": "lost_segments",
        "dsack_dups": "dsack_duplicates",
        "reord_seen": "reordering_seen",
        "rcv_ooopack": "out_of_order_segments",
        "delivered": "delivered_segments",
        "delivered_ce": "delivered_ce_segments",
        "rcv_wnd": "receive_window_bytes",
        "snd_wnd": "send_window_bytes",
        "notsent": "not_sent_bytes",
        "reordering": "reordering_segments",
    }.items()
} | {
    "rto": (_MILLISECONDS, (("rto_ns", _MS),)),
    "minrtt": (_MILLISECONDS, (("min_rtt_ns", _MS),)),
    "rtt": (_RTT, (("srtt_ns", _MS), ("rttvar_ns", _MS))),
    "retrans": (_RETRANSMITTED, (("retransmits_total", None),)),
    "busy": (_BUSY, (("busy_ns", _MS),)),
    "rwnd_limited": (_BUSY, (("rwnd_limited_ns", _MS),)),
    "sndbuf_limited": (_BUSY, (("sndbuf_limited_ns", _MS),)),
    "skmem": (_MEMORY, (("receive_buffer_bytes", None), ("send_buffer_bytes", None))),
}
_RATES = {"pacing_rate": "pacing_rate_bps", "delivery_rate": "delivery_rate_bps"}
_CEILINGS = {"pacing_rate_bps": "max_pacing_rate_bps"}
_AGREED = {"ts": "timestamps", "sack": "sack", "ecn": "ecn"}


class Number(NamedTuple):
    """Where a field's value stands: the word, which of the numbers within the word, and its factor (None: whole)."""

    field: str
    word: int
    ordinal: int
    factor: float | None


class Details(NamedTuple):
    """``fields`` holds the numbers' values, the proven zeroes, and the congestion control (if one is named, from
    ``control_word``)."""

    fields: dict[str, Any]
    numbers: tuple[Number, ...]
    control_word: int | None


def scaled(text: str | bytes, factor: float) -> int:
    """A decimal number times a factor, rounded."""
    return int(float(text) * factor + 0.5)


def read_details(words: list[str]) -> Details:
    """Every field that the details hold.  Raises ValueError naming the word that cannot be read."""
    fields: dict[str, Any] = {}
    numbers: list[Number] = []
    rate = ""
    for index, word in enumerate(words):
        if rate:
            match = _RATE.fullmatch(word)
            if match is None:
                raise ValueError(f"{rate} {word[:60]!r} cannot be read")
            try:
                _take_rates(rate, match, index, fields, numbers)
            except ValueError:
                raise ValueError(f"{rate} {word[:60]!r} cannot be read") from None
            rate = ""
            continue
        key, colon, value_text = word.partition(":")
        if not colon:
            rate = _RATES.get(key, "")
            if key == "app_limited":
                fields["app_limited"] = True
            elif key in _AGREED:
                fields[_AGREED[key]] = True
        elif key == "wscale":
            fields["window_scaling"] = True
        elif (rule := _RULES.get(key)) is not None:
            _apply(rule, word, value_text, index, fields, numbers)
    if rate:
        raise ValueError(f"{rate} has no value")
    control = _congestion_control(words)
    if fields:
        _fill_zeroes(fields)
    if control is not None:
        fields["congestion_control"] = words[control]
    return Details(fields, tuple(numbers), control)


def _take_rates(name: str, match: re.Match[str], index: int, fields: dict[str, Any], numbers: list[Number]) -> None:
    """A rate and, behind a stroke, its ceiling; the kernel's word for none is too large to be one."""
    for ordinal, (field, text, unit) in enumerate(
        ((name, match[1], match[2]), (_CEILINGS.get(name, ""), match[3], match[4]))
    ):
        if not field or text is None:
            continue
        value = scaled(text, _FACTOR[unit])
        if value < LARGEST:
            fields[field] = value
        numbers.append(Number(field, index, ordinal, _FACTOR[unit]))


def _apply(
    rule: tuple[re.Pattern[str], tuple[tuple[str, float | None], ...]],
    word: str,
    value_text: str,
    index: int,
    fields: dict[str, Any],
    numbers: list[Number],
) -> None:
    match = rule[0].fullmatch(value_text)
    if match is None:
        raise ValueError(f"{word[:60]!r} cannot be read")
    start = len(word) - len(value_text)
    for group, (name, factor) in enumerate(rule[1], start=1):
        text = match[group]
        if text is None:
            continue
        try:
            value = int(text) if factor is None else scaled(text, factor)
        except ValueError:  # 1.2.3
            raise ValueError(f"{word[:60]!r} cannot be read") from None
        if value >= LARGEST:
            raise ValueError(f"{word[:60]!r}: the number is out of range")
        fields[name] = value
        ordinal = len(NUMBER.findall(word[: start + match.start(group)]))
        numbers.append(Number(name, index, ordinal, factor))


def _fill_zeroes(fields: dict[str, Any]) -> None:
    """Write down the zeroes that ss leaves out, as far as its age and the kernel's are proven by what it did print.

    ss prints a counter only if it is not zero, and an old kernel's missing field is zero to it as well.  So a counter
    is zero only if a field of the same age or younger was printed: retrans and lost are as old as tcp_info, and so are
    window scaling and the reordering that is three unless printed.  Timestamps, SACK and ECN are printed with ``-o``
    only: where one of them is, the others are off.
    bytes_acked came with 4.1, segs_out with 4.2, data_segs_out, notsent and minrtt with 4.6, busy with 4.10,
    delivered and delivered_ce with 4.18, bytes_sent, bytes_retrans, dsack_dups and reord_seen with 4.19
    (``include/uapi/linux/tcp.h``).
    """
    if "cwnd_segments" not in fields:
        return  # no tcp_info at all: TIME-WAIT, or ss without -i
    zero = fields.setdefault
    zero("retransmits_total", 0)
    zero("lost_segments", 0)
    zero("reordering_segments", 3)
    zero("window_scaling", False)
    if not fields.keys().isdisjoint(_AGREED.values()):
        for option in _AGREED.values():
            zero(option, False)
    if "delivery_rate_bps" in fields:
        zero("app_limited", False)
    sends = "data_segments_out" in fields
    counts_bytes = "bytes_sent" in fields or ("delivered_segments" in fields and not sends)
    if "delivered_segments" in fields:
        zero("delivered_ce_segments", 0)
    if counts_bytes:
        zero("bytes_sent", 0)
        zero("bytes_retransmitted", 0)
        zero("dsack_duplicates", 0)
        zero("reordering_seen", 0)
    if counts_bytes or "busy_ns" in fields:
        zero("busy_ns", 0)
        zero("rwnd_limited_ns", 0)
        zero("sndbuf_limited_ns", 0)
    if counts_bytes or "min_rtt_ns" in fields or sends or "data_segments_in" in fields:
        zero("data_segments_out", 0)
        zero("data_segments_in", 0)
        zero("not_sent_bytes", 0)
    if "segments_out" in fields or "segments_in" in fields:
        zero("bytes_acked", 0)
        zero("bytes_received", 0)


@lru_cache(maxsize=1024)
def _is_name(word: str) -> bool:
    """Whether the word may name a congestion control (``TCP_CA_NAME_MAX`` is 16 with its final zero)."""
    return word not in _BARE and len(word) < 16 and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", word) is not None


def _congestion_control(words: list[str]) -> int | None:
    """The place of the first bare word that is no flag: ``cubic`` in ``skmem:(…) ts sack cubic wscale:7,7``."""
    for index, word in enumerate(words[:11]):
        if ":" not in word and _is_name(word):
            return index
    return None
