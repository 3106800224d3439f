"""One socket as ``ss -tinOHm`` prints it becomes the fields of a record.

In: the text of one socket (state, queues, addresses, details).  Out: a :class:`TcpRecord`; a field that ss did not
print is None, unless ss leaves it out exactly when it is zero.  Raises ValueError with the reason for anything else.
Never: a socket, a clock, a guess.

The format follows ``misc/ss.c`` of iproute2 (``tcp_stats_print``): rates stand behind a space
(``delivery_rate 1.1Mbps``), everything else behind a colon; times are milliseconds, rates bits per second.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Any

from shadowlab.model.telemetry import TcpRecord

STATES = {
    "ESTAB": "ESTAB",
    "ESTABLISHED": "ESTAB",
    "SYN-SENT": "SYN-SENT",
    "SYN-RECV": "SYN-RECV",
    "FIN-WAIT-1": "FIN-WAIT-1",
    "FIN-WAIT-2": "FIN-WAIT-2",
    "TIME-WAIT": "TIME-WAIT",
    "UNCONN": "UNCONN",
    "CLOSE-WAIT": "CLOSE-WAIT",
    "LAST-ACK": "LAST-ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
}
"""What ss calls the states of TCP; the second spelling is that of ``/proc`` readers and very old versions."""

_USERS = re.compile(r"users:\(\(.*?\)\)")
_FLAGS = "ts sack ecn ecnseen fastopen fastopen_child usec_ts app_limited bidir send pacing_rate delivery_rate"
_SUFFIX = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_LARGEST = 2**64
_BARE = frozenset(_FLAGS.split())


def _milliseconds(text: str) -> int:
    return round(float(text) * 1e6)


def _busy(text: str) -> int:
    """``123ms`` or ``123ms(4.5%)``."""
    number, unit, _ = text.partition("ms")
    if not unit:
        raise ValueError(text)
    return round(float(number) * 1e6)


def _total(text: str) -> int:
    """``retrans:0/12``: in flight now, and in all."""
    return int(text.rpartition("/")[2])


def _rate(text: str) -> int:
    """``1.2Mbps``, ``1200000bps``, ``2.4Mbps/10Gbps`` (the ceiling is dropped): bits per second."""
    number, unit, _ = text.partition("bps")
    if not unit:
        raise ValueError(text)
    return round(float(number[:-1]) * _SUFFIX[number[-1]] if number[-1:] in _SUFFIX else float(number))


def _receive_buffer(text: str) -> int:
    """``(r0,rb131072,t0,…``."""
    start = text.index(",rb") + 3
    return int(text[start : text.index(",", start)])


_WHOLE = {
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
    "delivered": "delivered_segments",
    "rcv_wnd": "receive_window_bytes",
    "snd_wnd": "send_window_bytes",
    "notsent": "not_sent_bytes",
}
_CONVERTED: dict[str, tuple[str, Callable[[str], int]]] = {
    "rto": ("rto_ns", _milliseconds),
    "minrtt": ("min_rtt_ns", _milliseconds),
    "retrans": ("retransmits_total", _total),
    "busy": ("busy_ns", _busy),
    "rwnd_limited": ("rwnd_limited_ns", _busy),
    "sndbuf_limited": ("sndbuf_limited_ns", _busy),
    "skmem": ("receive_buffer_bytes", _receive_buffer),
}
_SPACED = {"pacing_rate": "pacing_rate_bps", "delivery_rate": "delivery_rate_bps"}


@lru_cache(maxsize=65_536)
def parse_endpoint(text: str) -> tuple[str, int]:
    """``10.0.0.1:80``, ``[::1]:80``, ``[fe80::1]%eth0:80``, ``::1:80`` (old), ``*:*`` to address and port (``*`` is 0).

    IPv4 mapped into IPv6 becomes IPv4; the scope (``%eth0``) is dropped.
    """
    host, colon, port_text = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text[:60]!r} is not ADDRESS:PORT")
    if port_text == "*":
        port = 0
    elif port_text.isdecimal() and len(port_text) <= 5 and int(port_text) <= 65_535:
        port = int(port_text)
    else:
        raise ValueError(f"port {port_text[:60]!r} is not a number; record with -n")
    host = host.partition("%")[0].strip("[]")
    if host == "*":
        return "*", port
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(f"{host[:60]!r} is not an IP address; record with -n") from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped), port
    return str(address), port


def parse_socket(text: str, *, instance: str, at_ns: int, source: str) -> TcpRecord:
    """The record of one socket.  Raises ValueError with the reason, in words for a person."""
    if "users:((" in text:
        text = _USERS.sub("", text)  # a program may call itself "x rto:5"
    words = text.split()
    if words[:1] == ["tcp"]:  # ss run without -t prints the protocol first
        del words[0]
    state = STATES.get(words[0]) if words else None
    if state is None:
        raise ValueError("no TCP state at the start of the line")
    if len(words) < 5 or not (words[1].isdecimal() and words[2].isdecimal()):
        raise ValueError("STATE RECV-Q SEND-Q LOCAL:PORT PEER:PORT expected")
    local_address, local_port = parse_endpoint(words[3])
    peer_address, peer_port = parse_endpoint(words[4])
    fields = _details(words)
    if fields:
        _fill_zeroes(fields)
        if ":-" in text or max(fields.values()) >= _LARGEST:
            raise ValueError("a number is out of range")
    known: dict[str, Any] = fields
    known["at_ns"] = at_ns
    known["instance"] = instance
    known["local_address"] = local_address
    known["local_port"] = local_port
    known["peer_address"] = peer_address
    known["peer_port"] = peer_port
    known["state"] = state
    known["source"] = source
    known["congestion_control"] = _congestion_control(words)
    # Filling a frozen dataclass of 40 fields through its constructor takes half of the reader's time; an absent
    # field falls back to the class's default, which is None.  A test holds both ways equal.
    record = object.__new__(TcpRecord)
    object.__setattr__(record, "__dict__", known)
    return record


def _details(words: list[str]) -> dict[str, int]:
    """Every number that the details hold, by the record's field name."""
    fields: dict[str, int] = {}
    whole, converted = _WHOLE.get, _CONVERTED.get
    word = ""
    rest = iter(words[5:])
    try:
        for word in rest:
            key, colon, value = word.partition(":")
            if (name := whole(key)) is not None:
                fields[name] = int(value)
            elif (rule := converted(key)) is not None:
                fields[rule[0]] = rule[1](value)
            elif key == "rtt":
                mean, _, deviation = value.partition("/")
                fields["srtt_ns"] = _milliseconds(mean)
                if deviation:
                    fields["rttvar_ns"] = _milliseconds(deviation)
            elif not colon:
                if key in _SPACED:
                    word = next(rest, "")
                    fields[_SPACED[key]] = _rate(word)
                elif key == "app_limited":
                    fields["app_limited"] = True
    except (ValueError, OverflowError):
        raise ValueError(f"{word[:60]!r} cannot be read") from None
    return fields


def _fill_zeroes(fields: dict[str, int]) -> None:
    """Write down the zeroes that ss leaves out, as far as its age and the kernel's are proven by what it did print.

    ss prints a counter only if it is not zero, and an old kernel's missing field is zero to it as well.  So a counter
    is zero only if a field of the same age or younger was printed: retrans and lost are as old as tcp_info;
    bytes_acked came with 4.1, segs_out with 4.2, data_segs_out, notsent and minrtt with 4.6, busy with 4.10,
    bytes_sent, bytes_retrans, dsack_dups and reord_seen with 4.19 (``include/uapi/linux/tcp.h``).
    """
    if "cwnd_segments" not in fields:
        return  # no tcp_info at all: TIME-WAIT, or ss without -i
    zero = fields.setdefault
    zero("retransmits_total", 0)
    zero("lost_segments", 0)
    if "delivery_rate_bps" in fields:
        zero("app_limited", False)
    sends = fields.get("data_segments_out", 0) > 0
    counts_bytes = "bytes_sent" in fields or ("delivered_segments" in fields and not sends)
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
def _name(word: str) -> str | None:
    """The word, if it may name a congestion control (``TCP_CA_NAME_MAX`` is 16 with its final zero)."""
    return word if word not in _BARE and len(word) < 16 and re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", word) else None


def _congestion_control(words: list[str]) -> str | None:
    """The first bare word that is no flag: ``cubic`` in ``skmem:(…) ts sack cubic wscale:7,7``."""
    for word in words[5:16]:
        if ":" not in word and (name := _name(word)) is not None:
            return name
    return None
