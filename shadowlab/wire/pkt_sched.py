"""Queueing disciplines, filters and actions, as ``linux/pkt_sched.h``, ``pkt_cls.h`` and ``gen_stats.h`` have them.

In: a :class:`Netem` (or an impairment, see :func:`netem_of`), interface indices.  Out: requests, and dumps decoded.
Never: a socket; never a value clipped: what the kernel's fields cannot hold is a ValueError.
"""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, ETHERNET_FRAMING_BYTES, Impairment
from shadowlab.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Request,
    attributes,
    pack_attribute,
    pack_nested,
    pack_text,
    text,
)

RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 44, 45, 46

TC_H_ROOT, TC_H_INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
ROOT_HANDLE, INGRESS_HANDLE = 1 << 16, 0xFFFF0000
ETH_P_ALL = 3

TCA_KIND, TCA_OPTIONS, TCA_STATS2 = 1, 2, 7
TCA_STATS_BASIC, TCA_STATS_QUEUE, TCA_STATS_PKT64 = 1, 3, 8
TCA_NETEM_CORR, TCA_NETEM_REORDER, TCA_NETEM_CORRUPT, TCA_NETEM_LOSS, TCA_NETEM_RATE = 1, 3, 4, 5, 6
TCA_NETEM_ECN, TCA_NETEM_RATE64, TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64 = 7, 8, 10, 11
TCA_MATCHALL_ACT, TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_MIRRED_PARMS = 2, 1, 2, 2
TCA_EGRESS_REDIR, TC_ACT_STOLEN = 1, 4

_TCMSG = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_QOPT = struct.Struct("=6I")  # latency, limit, loss, gap, duplicate, jitter
_RATE = struct.Struct("=IiIi")  # rate, packet overhead, cell size, cell overhead
_U32, _S64, _U64 = struct.Struct("=I"), struct.Struct("=q"), struct.Struct("=Q")
_BASIC, _QUEUE = struct.Struct("=QI"), struct.Struct("=5I")
_MIRRED = struct.Struct("=IIiiiiI")  # index, capabilities, action, references, binds, what to do, interface

MAX_U32 = 0xFFFFFFFF
TICK_SHIFT = 6
"""A tick of the old 32-bit time fields is 64 ns; the 64-bit attributes are exact and overrule them."""
KEEP_ORDER_RATE = 1 << 60
"""Bytes per second that no packet notices, set only to keep the order under jitter.

Without a rate netem draws a departure for each packet by itself, and with jitter later packets overtake earlier ones.
With a rate a packet is counted from the departure of the one before it, so order holds.  At this rate even 64 kB take
less than a nanosecond, which the kernel's division turns into zero.
"""


class Netem(NamedTuple):
    """netem's state in the kernel's own units: ns, packets, bytes per second, probabilities of 2^32 - 1.

    The kernel keeps what a change leaves out, hence every field is always sent, zeros included.
    """

    latency_ns: int = 0
    jitter_ns: int = 0
    limit: int = 1000
    loss: int = 0
    rate: int = 0
    packet_overhead: int = 0
    duplicate: int = 0
    gap: int = 0
    ecn: int = 0
    delay_correlation: int = 0
    loss_correlation: int = 0
    duplicate_correlation: int = 0
    reorder: int = 0
    reorder_correlation: int = 0
    corrupt: int = 0
    corrupt_correlation: int = 0
    cell_size: int = 0
    cell_overhead: int = 0
    loss_model: int = 0
    """Kind of a state-based loss model (1 four states, 2 Gilbert-Elliott), read only: we set none."""


class QdiscState(NamedTuple):
    """One queueing discipline of a dump.  ``netem`` is None for any other kind."""

    ifindex: int
    handle: int
    parent: int
    kind: str
    netem: Netem | None
    sent_bytes: int
    sent_packets: int
    queue_packets: int
    queue_bytes: int
    drops: int


class FilterState(NamedTuple):
    """One filter of a dump; ``redirect_to`` is the interface index of a mirred redirect, 0 for anything else."""

    ifindex: int
    kind: str
    redirect_to: int


def netem_of(impairment: Impairment) -> Netem:
    """What to ask of the kernel.  Raises ValueError for what its fields cannot express."""
    loss = round(impairment.loss * MAX_U32)
    if impairment.loss and not loss:
        raise ValueError(f"loss {impairment.loss:g} is below what the kernel can express ({1 / MAX_U32:.2g})")
    rate = 0
    if impairment.rate_bps is not None:
        rate = round(impairment.rate_bps / 8)
        if not 0 < rate < KEEP_ORDER_RATE:
            raise ValueError(f"rate {impairment.rate_bps} bit/s: the kernel takes 8 bit/s to {KEEP_ORDER_RATE} byte/s")
    elif impairment.jitter_ns:
        rate = KEEP_ORDER_RATE
    limit = impairment.limit_packets()
    if limit > MAX_U32:
        raise ValueError(f"{limit} packets in flight and waiting: the kernel's limit ends at {MAX_U32}")
    if impairment.jitter_ns >= 1 << 31:
        raise ValueError(f"jitter {impairment.jitter_ns} ns: the kernel's ends at {(1 << 31) - 1} ns")
    return Netem(
        latency_ns=impairment.delay_ns,
        jitter_ns=impairment.jitter_ns,
        limit=limit,
        loss=loss,
        rate=rate,
        # What a wire carries beyond the socket buffer: preamble, gap, checksum.  Of no effect without a rate.
        packet_overhead=ETHERNET_FRAMING_BYTES if impairment.rate_bps is not None else 0,
    )


def impairment_of(netem: Netem) -> Impairment:
    """What the state means.  Exact for what :func:`netem_of` made, up to a rate's rounding to whole bytes per second.

    The buffer of an unlimited link cannot be told from netem's limit: it reads as the default.
    """
    rate_bps = None if netem.rate in (0, KEEP_ORDER_RATE) else netem.rate * 8
    bare = Impairment(
        delay_ns=netem.latency_ns,
        jitter_ns=netem.jitter_ns,
        loss=netem.loss / MAX_U32,
        rate_bps=rate_bps,
        queue_packets=1,
    )
    queue = DEFAULT_QUEUE_PACKETS
    if rate_bps is not None or netem.limit > bare.limit_packets():
        queue = max(netem.limit - (bare.limit_packets() - 1 if rate_bps is not None else 0), 1)
    return Impairment(
        delay_ns=bare.delay_ns, jitter_ns=bare.jitter_ns, loss=bare.loss, rate_bps=rate_bps, queue_packets=queue
    )


def pack_netem(netem: Netem) -> bytes:
    """The payload of TCA_OPTIONS: a structure, followed by attributes."""
    return b"".join(
        (
            _QOPT.pack(
                min(netem.latency_ns >> TICK_SHIFT, MAX_U32),
                netem.limit,
                netem.loss,
                netem.gap,
                netem.duplicate,
                min(netem.jitter_ns >> TICK_SHIFT, MAX_U32),
            ),
            pack_attribute(
                TCA_NETEM_CORR,
                struct.pack("=3I", netem.delay_correlation, netem.loss_correlation, netem.duplicate_correlation),
            ),
            pack_attribute(TCA_NETEM_REORDER, struct.pack("=2I", netem.reorder, netem.reorder_correlation)),
            pack_attribute(TCA_NETEM_CORRUPT, struct.pack("=2I", netem.corrupt, netem.corrupt_correlation)),
            pack_attribute(
                TCA_NETEM_RATE,
                _RATE.pack(min(netem.rate, MAX_U32), netem.packet_overhead, netem.cell_size, netem.cell_overhead),
            ),
            # The kernel takes the larger of the two rates, so the 64-bit one goes along only where it is needed.
            pack_attribute(TCA_NETEM_RATE64, _U64.pack(netem.rate)) if netem.rate > MAX_U32 else b"",
            pack_attribute(TCA_NETEM_LATENCY64, _S64.pack(netem.latency_ns)),
            pack_attribute(TCA_NETEM_JITTER64, _S64.pack(netem.jitter_ns)),
            pack_attribute(TCA_NETEM_ECN, _U32.pack(netem.ecn)),
        )
    )


def parse_netem(options: bytes) -> Netem:
    """The payload of TCA_OPTIONS as the kernel dumps it."""
    latency, limit, loss, gap, duplicate, jitter = _QOPT.unpack_from(options)
    found = attributes(options, _QOPT.size)

    def words(kind: int, form: str) -> tuple[int, ...]:
        payload = found.get(kind)
        return struct.unpack_from(form, payload) if payload is not None else (0,) * (len(form) - 1)

    delay_correlation, loss_correlation, duplicate_correlation = words(TCA_NETEM_CORR, "=III")
    reorder, reorder_correlation = words(TCA_NETEM_REORDER, "=II")
    corrupt, corrupt_correlation = words(TCA_NETEM_CORRUPT, "=II")
    rate, packet_overhead, cell_size, cell_overhead = words(TCA_NETEM_RATE, "=IiIi")
    if TCA_NETEM_RATE64 in found:
        (rate,) = words(TCA_NETEM_RATE64, "=Q")
    latency_ns, jitter_ns = latency << TICK_SHIFT, jitter << TICK_SHIFT
    if TCA_NETEM_LATENCY64 in found:
        (latency_ns,) = words(TCA_NETEM_LATENCY64, "=q")
    if TCA_NETEM_JITTER64 in found:
        (jitter_ns,) = words(TCA_NETEM_JITTER64, "=q")
    return Netem(
        latency_ns=latency_ns,
        jitter_ns=jitter_ns,
        limit=limit,
        loss=loss,
        rate=rate,
        packet_overhead=packet_overhead,
        duplicate=duplicate,
        gap=gap,
        ecn=words(TCA_NETEM_ECN, "=I")[0],
        delay_correlation=delay_correlation,
        loss_correlation=loss_correlation,
        duplicate_correlation=duplicate_correlation,
        reorder=reorder,
        reorder_correlation=reorder_correlation,
        corrupt=corrupt,
        corrupt_correlation=corrupt_correlation,
        cell_size=cell_size,
        cell_overhead=cell_overhead,
        loss_model=next(iter(attributes(found.get(TCA_NETEM_LOSS, b""))), 0),
    )


def set_netem(index: int, netem: Netem) -> Request:
    """Create the root netem of an interface, or change the one that is there *in place*: its queue is kept."""
    body = _TCMSG.pack(0, index, ROOT_HANDLE, TC_H_ROOT, 0)
    body += pack_text(TCA_KIND, "netem") + pack_attribute(TCA_OPTIONS, pack_netem(netem))
    # CREATE|REPLACE with our handle: a root qdisc of that handle and kind is changed, any other is replaced.
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)


def delete_root(index: int) -> Request:
    return Request(RTM_DELQDISC, 0, _TCMSG.pack(0, index, 0, TC_H_ROOT, 0))


def get_qdiscs() -> Request:
    return Request(RTM_GETQDISC, NLM_F_DUMP, _TCMSG.pack(0, 0, 0, 0, 0))


def parse_qdisc(body: bytes) -> QdiscState:
    """One message of a queueing-discipline dump."""
    _, index, handle, parent, _ = _TCMSG.unpack_from(body)
    found = attributes(body, _TCMSG.size)
    kind = text(found[TCA_KIND])
    stats = attributes(found.get(TCA_STATS2, b""))
    sent_bytes, sent_packets = _BASIC.unpack_from(stats[TCA_STATS_BASIC]) if TCA_STATS_BASIC in stats else (0, 0)
    if TCA_STATS_PKT64 in stats:  # sent only when the 32-bit counter has gone round
        (sent_packets,) = _U64.unpack_from(stats[TCA_STATS_PKT64])
    queue_packets, queue_bytes, drops, _, _ = (
        _QUEUE.unpack_from(stats[TCA_STATS_QUEUE]) if TCA_STATS_QUEUE in stats else (0, 0, 0, 0, 0)
    )
    netem = parse_netem(found[TCA_OPTIONS]) if kind == "netem" else None
    return QdiscState(index, handle, parent, kind, netem, sent_bytes, sent_packets, queue_packets, queue_bytes, drops)


def new_ingress(index: int) -> Request:
    """The hook for filters on arrival."""
    body = _TCMSG.pack(0, index, INGRESS_HANDLE, TC_H_INGRESS, 0) + pack_text(TCA_KIND, "ingress")
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body)


def delete_ingress(index: int) -> Request:
    """Take the hook away, and the filters on it."""
    body = _TCMSG.pack(0, index, INGRESS_HANDLE, TC_H_INGRESS, 0)
    return Request(RTM_DELQDISC, 0, body)


def new_redirect(index: int, target: int) -> Request:
    """All that arrives at one interface leaves by another (an IFB): a matchall filter with a mirred redirect."""
    mirred = pack_attribute(TCA_MIRRED_PARMS, _MIRRED.pack(0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, target))
    action = pack_nested(1, pack_text(TCA_ACT_KIND, "mirred"), pack_nested(TCA_ACT_OPTIONS, mirred))
    # tcm_info: priority in the upper half, protocol in network order in the lower.
    info = 1 << 16 | int.from_bytes(ETH_P_ALL.to_bytes(2, "big"), sys.byteorder)
    body = _TCMSG.pack(0, index, 0, INGRESS_HANDLE, info) + pack_text(TCA_KIND, "matchall")
    body += pack_nested(TCA_OPTIONS, pack_nested(TCA_MATCHALL_ACT, action))
    return Request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body)


def get_filters(index: int) -> Request:
    return Request(RTM_GETTFILTER, NLM_F_DUMP, _TCMSG.pack(0, index, 0, INGRESS_HANDLE, 0))


def parse_filter(body: bytes) -> FilterState:
    """One message of a filter dump."""
    _, index, _, _, _ = _TCMSG.unpack_from(body)
    found = attributes(body, _TCMSG.size)
    actions = attributes(attributes(found.get(TCA_OPTIONS, b"")).get(TCA_MATCHALL_ACT, b""))
    target = 0
    for action in actions.values():
        parts = attributes(action)
        if text(parts.get(TCA_ACT_KIND, b"")) == "mirred":
            *_, what, target = _MIRRED.unpack_from(attributes(parts[TCA_ACT_OPTIONS])[TCA_MIRRED_PARMS])
            target = target if what == TCA_EGRESS_REDIR else 0
    return FilterState(index, text(found[TCA_KIND]), target)
