"""Queueing disciplines, filters and actions, as ``linux/pkt_sched.h``, ``pkt_cls.h`` and ``gen_stats.h`` have them.

In: interface indices, and netem's options from :mod:`~shadowlab.wire.netem`.  Out: requests, and dumps decoded.
Never: a socket.  Shapers are the part of :mod:`~shadowlab.wire.disciplines`: few links have one, and imports are slow.
"""

from __future__ import annotations

import struct
import sys
from typing import NamedTuple

from shadowlab.wire.netem import Netem, pack_netem, parse_netem
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
RTM_NEWTCLASS, RTM_GETTCLASS = 40, 42
RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 44, 45, 46

TC_H_ROOT, TC_H_INGRESS = 0xFFFFFFFF, 0xFFFFFFF1
ROOT_HANDLE, INGRESS_HANDLE = 1 << 16, 0xFFFF0000
ETH_P_ALL = 3

HTB_HANDLE, CAKE_HANDLE = 2 << 16, 3 << 16
HTB_CLASS = HTB_HANDLE | 1
RED_BUFFER_HANDLE = 32 << 16
NETEM_HANDLES = (ROOT_HANDLE, 33 << 16, 34 << 16)
"""Of up to three netems in a row, from the root down."""
LEAF_HANDLES = {
    "pfifo": 16 << 16,
    "bfifo": 17 << 16,
    "red": 18 << 16,
    "codel": 19 << 16,
    "fq_codel": 20 << 16,
    "pie": 21 << 16,
}
"""One handle for each kind: the kernel refuses to give a handle to another kind."""

TCA_KIND, TCA_OPTIONS, TCA_STATS2 = 1, 2, 7
TCA_STATS_BASIC, TCA_STATS_QUEUE, TCA_STATS_APP, TCA_STATS_PKT64 = 1, 3, 4, 8
TCA_MATCHALL_ACT, TCA_ACT_KIND, TCA_ACT_OPTIONS, TCA_MIRRED_PARMS = 2, 1, 2, 2
TCA_EGRESS_REDIR, TC_ACT_STOLEN = 1, 4

TCMSG = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_U64 = struct.Struct("=Q")
_BASIC, _QUEUE = struct.Struct("=QI"), struct.Struct("=5I")
_MIRRED = struct.Struct("=IIiiiiI")  # index, capabilities, action, references, binds, what to do, interface


class QdiscState(NamedTuple):
    """One queueing discipline of a dump.  ``netem`` is None for any other kind; ``marks`` counts what it marked (ECN)
    instead of dropping."""

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
    options: bytes = b""
    marks: int = 0
    requeues: int = 0
    overlimits: int = 0


class FilterState(NamedTuple):
    """One filter of a dump; ``redirect_to`` is the interface index of a mirred redirect, 0 for anything else."""

    ifindex: int
    kind: str
    redirect_to: int


def set_netem(index: int, netem: Netem, place: int = 0) -> Request:
    """Create the netem of an interface at a place from the root down, or change the one that is there *in place*: its
    queue is kept."""
    parent = NETEM_HANDLES[place - 1] | 1 if place else TC_H_ROOT
    body = TCMSG.pack(0, index, NETEM_HANDLES[place], parent, 0)
    body += pack_text(TCA_KIND, "netem") + pack_attribute(TCA_OPTIONS, pack_netem(netem))
    # CREATE|REPLACE with our handle: a qdisc of that handle and kind is changed, any other is replaced.
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)


def delete_below_root(index: int) -> Request:
    """Take away the netem below the root netem, and what is below that."""
    return Request(RTM_DELQDISC, 0, TCMSG.pack(0, index, NETEM_HANDLES[1], NETEM_HANDLES[0] | 1, 0))


def delete_root(index: int) -> Request:
    return Request(RTM_DELQDISC, 0, TCMSG.pack(0, index, 0, TC_H_ROOT, 0))


def get_qdiscs() -> Request:
    return Request(RTM_GETQDISC, NLM_F_DUMP, TCMSG.pack(0, 0, 0, 0, 0))


def parse_qdisc(body: bytes) -> QdiscState:
    """One message of a queueing-discipline dump."""
    _, index, handle, parent, _ = TCMSG.unpack_from(body)
    found = attributes(body, TCMSG.size)
    kind = text(found[TCA_KIND])
    stats = attributes(found.get(TCA_STATS2, b""))
    sent_bytes, sent_packets = _BASIC.unpack_from(stats[TCA_STATS_BASIC]) if TCA_STATS_BASIC in stats else (0, 0)
    if TCA_STATS_PKT64 in stats:  # sent only when the 32-bit counter has gone round
        (sent_packets,) = _U64.unpack_from(stats[TCA_STATS_PKT64])
    queue_packets, queue_bytes, drops, requeues, overlimits = (
        _QUEUE.unpack_from(stats[TCA_STATS_QUEUE]) if TCA_STATS_QUEUE in stats else (0, 0, 0, 0, 0)
    )
    netem = parse_netem(found[TCA_OPTIONS]) if kind == "netem" else None
    return QdiscState(
        ifindex=index,
        handle=handle,
        parent=parent,
        kind=kind,
        netem=netem,
        sent_bytes=sent_bytes,
        sent_packets=sent_packets,
        queue_packets=queue_packets,
        queue_bytes=queue_bytes,
        drops=drops,
        options=found.get(TCA_OPTIONS, b""),
        marks=parse_marks(kind, stats.get(TCA_STATS_APP, b"")),
        requeues=requeues,
        overlimits=overlimits,
    )


def new_ingress(index: int) -> Request:
    """The hook for filters on arrival."""
    body = TCMSG.pack(0, index, INGRESS_HANDLE, TC_H_INGRESS, 0) + pack_text(TCA_KIND, "ingress")
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, body)


def delete_ingress(index: int) -> Request:
    """Take the hook away, and the filters on it."""
    body = TCMSG.pack(0, index, INGRESS_HANDLE, TC_H_INGRESS, 0)
    return Request(RTM_DELQDISC, 0, body)


def new_redirect(index: int, target: int) -> Request:
    """All that arrives at one interface leaves by another (an IFB): a matchall filter with a mirred redirect."""
    mirred = pack_attribute(TCA_MIRRED_PARMS, _MIRRED.pack(0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, target))
    action = pack_nested(1, pack_text(TCA_ACT_KIND, "mirred"), pack_nested(TCA_ACT_OPTIONS, mirred))
    # tcm_info: priority in the upper half, protocol in network order in the lower.
    info = 1 << 16 | int.from_bytes(ETH_P_ALL.to_bytes(2, "big"), sys.byteorder)
    body = TCMSG.pack(0, index, 0, INGRESS_HANDLE, info) + pack_text(TCA_KIND, "matchall")
    body += pack_nested(TCA_OPTIONS, pack_nested(TCA_MATCHALL_ACT, action))
    return Request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, body)


def get_filters(index: int) -> Request:
    return Request(RTM_GETTFILTER, NLM_F_DUMP, TCMSG.pack(0, index, 0, INGRESS_HANDLE, 0))


def parse_filter(body: bytes) -> FilterState:
    """One message of a filter dump."""
    _, index, _, _, _ = TCMSG.unpack_from(body)
    found = attributes(body, TCMSG.size)
    actions = attributes(attributes(found.get(TCA_OPTIONS, b"")).get(TCA_MATCHALL_ACT, b""))
    target = 0
    for action in actions.values():
        parts = attributes(action)
        if text(parts.get(TCA_ACT_KIND, b"")) == "mirred":
            *_, what, target = _MIRRED.unpack_from(attributes(parts[TCA_ACT_OPTIONS])[TCA_MIRRED_PARMS])
            target = target if what == TCA_EGRESS_REDIR else 0
    return FilterState(index, text(found[TCA_KIND]), target)


def parse_marks(kind: str, statistics: bytes) -> int:
    """Packets marked instead of dropped (ECN), from TCA_STATS_APP of a discipline."""
    if kind == "cake":
        tins = attributes(attributes(statistics).get(10, b""))  # TCA_CAKE_STATS_TIN_STATS
        return sum(struct.unpack("=I", attributes(tin).get(8, bytes(4)))[0] for tin in tins.values())
    # Where in tc_red_xstats, tc_codel_xstats, tc_fq_codel_xstats and tc_pie_xstats the count stands.
    offset = {"red": 12, "codel": 24, "fq_codel": 12, "pie": 36}.get(kind)
    if offset is None or len(statistics) < offset + 4:
        return 0
    (marks,) = struct.unpack_from("=I", statistics, offset)
    return int(marks)
