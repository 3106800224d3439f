"""``struct tcp_info`` of any age: decoded by the length the kernel gave, never by its version.

In: the bytes of ``getsockopt(TCP_INFO)`` or of an INET_DIAG_INFO attribute.  Out: a :class:`TcpInfo`.
Never: a zero for what the kernel did not say: a field beyond the length is None.

The structure only ever grows at its end (``linux/tcp.h``), so one table serves every kernel.  Two of its bytes are
bit fields; they are listed as whole bytes (``wscales``, ``flags``) and taken apart by :func:`decode_tcp_info`.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

_NAMES_U8 = ("state", "ca_state", "retransmits", "probes", "backoff", "options", "wscales", "flags")
_NAMES_U32 = (
    *("rto", "ato", "snd_mss", "rcv_mss", "unacked", "sacked", "lost", "retrans", "fackets"),
    *("last_data_sent", "last_ack_sent", "last_data_recv", "last_ack_recv"),
    *("pmtu", "rcv_ssthresh", "rtt", "rttvar", "snd_ssthresh", "snd_cwnd", "advmss", "reordering"),
    *("rcv_rtt", "rcv_space", "total_retrans"),
)
_NAMES_LATER = (
    (("pacing_rate", "max_pacing_rate", "bytes_acked", "bytes_received"), "Q"),
    (("segs_out", "segs_in", "notsent_bytes", "min_rtt", "data_segs_in", "data_segs_out"), "I"),
    (("delivery_rate", "busy_time", "rwnd_limited", "sndbuf_limited"), "Q"),
    (("delivered", "delivered_ce"), "I"),
    (("bytes_sent", "bytes_retrans"), "Q"),
    (("dsack_dups", "reord_seen", "rcv_ooopack", "snd_wnd", "rcv_wnd", "rehash"), "I"),
    (("total_rto", "total_rto_recoveries"), "H"),
    (("total_rto_time",), "I"),
    (("received_ce", "delivered_e1_bytes", "delivered_e0_bytes", "delivered_ce_bytes"), "I"),
    (("received_e1_bytes", "received_e0_bytes", "received_ce_bytes"), "I"),
    # Two 16-bit fields in 6.18, four bit fields since 7.0, and the length is the same: left as it is.
    (("accurate_ecn",), "I"),
)


def _lay_out() -> tuple[tuple[str, int, str], ...]:
    fields: list[tuple[str, int, str]] = []
    offset = 0
    for names, form in ((_NAMES_U8, "B"), (_NAMES_U32, "I"), *_NAMES_LATER):
        size = struct.calcsize(form)
        for name in names:
            assert offset % size == 0, f"{name} would not be aligned"
            fields.append((name, offset, form))
            offset += size
    return tuple(fields)


TCP_INFO_FIELDS = _lay_out()
"""(name, offset, ``struct`` format character) of every field, without a gap: 8 B, then 96 B, and so on to 280 B.

A NumPy dtype of it: ``np.dtype({"names": names, "formats": ["u%d" % struct.calcsize(f) ...], "offsets": offsets})``.
"""

_NAMES = tuple(name for name, _, _ in TCP_INFO_FIELDS)

TCP_INFO_BYTES = TCP_INFO_FIELDS[-1][1] + struct.calcsize(TCP_INFO_FIELDS[-1][2])
"""The longest structure known here."""

DELIVERY_RATE_APP_LIMITED = 0x01
FASTOPEN_CLIENT_FAIL_SHIFT, FASTOPEN_CLIENT_FAIL_MASK = 1, 0x03


class TcpInfo(NamedTuple):
    """One connection's state, in the kernel's units.  None: this kernel did not say.

    Rates are bytes per second.  ``rto``, ``ato``, ``rtt``, ``rttvar``, ``rcv_rtt``, ``min_rtt``, ``busy_time``,
    ``rwnd_limited`` and ``sndbuf_limited`` are µs; ``last_*`` and ``total_rto_time`` are ms.
    """

    state: int | None = None
    ca_state: int | None = None
    retransmits: int | None = None
    probes: int | None = None
    backoff: int | None = None
    options: int | None = None
    snd_wscale: int | None = None
    rcv_wscale: int | None = None
    delivery_rate_app_limited: bool | None = None
    fastopen_client_fail: int | None = None
    rto: int | None = None
    ato: int | None = None
    snd_mss: int | None = None
    rcv_mss: int | None = None
    unacked: int | None = None
    sacked: int | None = None
    lost: int | None = None
    retrans: int | None = None
    fackets: int | None = None
    last_data_sent: int | None = None
    last_ack_sent: int | None = None
    last_data_recv: int | None = None
    last_ack_recv: int | None = None
    pmtu: int | None = None
    rcv_ssthresh: int | None = None
    rtt: int | None = None
    rttvar: int | None = None
    snd_ssthresh: int | None = None
    snd_cwnd: int | None = None
    advmss: int | None = None
    reordering: int | None = None
    rcv_rtt: int | None = None
    rcv_space: int | None = None
    total_retrans: int | None = None
    pacing_rate: int | None = None
    max_pacing_rate: int | None = None
    bytes_acked: int | None = None
    bytes_received: int | None = None
    segs_out: int | None = None
    segs_in: int | None = None
    notsent_bytes: int | None = None
    min_rtt: int | None = None
    data_segs_in: int | None = None
    data_segs_out: int | None = None
    delivery_rate: int | None = None
    busy_time: int | None = None
    rwnd_limited: int | None = None
    sndbuf_limited: int | None = None
    delivered: int | None = None
    delivered_ce: int | None = None
    bytes_sent: int | None = None
    bytes_retrans: int | None = None
    dsack_dups: int | None = None
    reord_seen: int | None = None
    rcv_ooopack: int | None = None
    snd_wnd: int | None = None
    rcv_wnd: int | None = None
    rehash: int | None = None
    total_rto: int | None = None
    total_rto_recoveries: int | None = None
    total_rto_time: int | None = None
    received_ce: int | None = None
    delivered_e1_bytes: int | None = None
    delivered_e0_bytes: int | None = None
    delivered_ce_bytes: int | None = None
    received_e1_bytes: int | None = None
    received_e0_bytes: int | None = None
    received_ce_bytes: int | None = None
    accurate_ecn: int | None = None


@cache
def _unpacker(length: int, order: str) -> struct.Struct:
    whole = [form for _, offset, form in TCP_INFO_FIELDS if offset + struct.calcsize(form) <= length]
    return struct.Struct(order + "".join(whole))


def unpack_tcp_info(payload: bytes, order: str = "=") -> tuple[int, ...]:
    """The fields as they are, in the order of :data:`TCP_INFO_FIELDS`, as many as are wholly within the bytes."""
    return _unpacker(min(len(payload), TCP_INFO_BYTES), order).unpack_from(payload)


def decode_tcp_info(payload: bytes) -> TcpInfo:
    """What the bytes say.  A field not wholly within them is None; bytes beyond the newest field are skipped."""
    values: dict[str, int] = dict(zip(_NAMES, unpack_tcp_info(payload), strict=False))
    wscales, flags = values.pop("wscales", None), values.pop("flags", None)
    # Bit fields start at the low end on the machines we run on (little endian).
    if wscales is not None:
        values["snd_wscale"], values["rcv_wscale"] = wscales & 0x0F, wscales >> 4
    # The flags' byte was a hole before it had a meaning, so the fields that came with each bit tell whether it has one.
    if flags is not None and "delivery_rate" in values:
        values["delivery_rate_app_limited"] = bool(flags & DELIVERY_RATE_APP_LIMITED)
    if flags is not None and "snd_wnd" in values:
        values["fastopen_client_fail"] = flags >> FASTOPEN_CLIENT_FAIL_SHIFT & FASTOPEN_CLIENT_FAIL_MASK
    return TcpInfo(**values)  # type: ignore[arg-type]  # the table names the fields, and one of them is a bool
