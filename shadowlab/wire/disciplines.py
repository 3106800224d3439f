"""Queue disciplines and the shaper above them, as ``linux/pkt_sched.h`` has them.

In: a :class:`~shadowlab.model.queue.Shaper`.  Out: for each object of its tree a kind and named integers in the
kernel's own units; the payload of TCA_OPTIONS, and its reading.  Never: a socket; never a value clipped.

The tree of a shaper on one device::

    root 2: htb ─ class 2:1 (rate, burst) ─ pfifo 16:, bfifo 17:, codel 19:, fq_codel 20:, pie 21:
                                          └ red 18: ─ bfifo 32:
    root 3: cake (a shaper itself)

RED makes itself a new bfifo, and throws the old one's packets away, whenever it is changed with a limit.  So it is told
a limit of zero, and the bfifo below it is ours: changed by itself, its queue is kept.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shadowlab.model.queue import FULL_FRAME_BYTES, Cake, Codel, Fifo, Pie, Queue, Red, Shaper
from shadowlab.model.units import NS_PER_S, NS_PER_US
from shadowlab.wire.netlink import (
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_REPLACE,
    Request,
    attributes,
    pack_attribute,
    pack_text,
)
from shadowlab.wire.pkt_sched import (
    CAKE_HANDLE,
    HTB_CLASS,
    HTB_HANDLE,
    LEAF_HANDLES,
    RED_BUFFER_HANDLE,
    RTM_GETTCLASS,
    RTM_NEWQDISC,
    RTM_NEWTCLASS,
    TC_H_ROOT,
    TCA_KIND,
    TCA_OPTIONS,
    TCMSG,
)

_TICK_SHIFT = 6
_MAX_U32 = 0xFFFFFFFF
_TC_LINKLAYER_ETHERNET = 1
_LEAST_BURST_NS = 10_000
_PIE_UPDATE_STEP_US = 10_000
"""The updates of PIE that can be asked for are multiples of this."""
_HTB_QUANTUM_BYTES = 60_000
_RED_ECN, _RED_ADAPTIVE = 1, 4
_RED_STAB_BYTES = 256
_CODEL_SHIFT = 10
_ETHERNET_HEADER_BYTES = 14
_LEAST_WIRE_FRAME_BYTES = 84
_CAKE_FLOWS = ("flowblind", "src", "dst", "hosts", "flows", "dual-src", "dual-dst", "triple-isolate")
_CAKE_PRIORITIES = ("diffserv3", "diffserv4", "diffserv8", "besteffort", "precedence")

_NUMBERS: dict[str, dict[str, int]] = {
    "codel": {"target_us": 1, "limit": 2, "interval_us": 3, "ecn": 4},
    "fq_codel": {"target_us": 1, "limit": 2, "interval_us": 3, "ecn": 4},
    "pie": {"target_us": 1, "limit": 2, "update_us": 3, "alpha": 4, "beta": 5, "ecn": 6, "bytemode": 7, "estimator": 8},
    "cake": {
        "rate": 2,
        "diffserv": 3,
        "atm": 4,
        "flow_mode": 5,
        "overhead": 6,
        "rtt_us": 7,
        "target_us": 8,
        "autorate": 9,
        "memory": 10,
        "wash": 13,
        "mpu": 14,
        "ingress": 15,
        "ack_filter": 16,
        "split_gso": 17,
    },
}
"""Disciplines whose options are attributes of one integer each: which attribute."""
_WIDE = {"rate"}
_RED = struct.Struct("=IIIBBBB")  # limit, least, most, log of weight, of probability, of cell, flags
_HTB = struct.Struct("=BBHhHIBBHhHIIIIII")  # two tc_ratespec, buffer, cbuffer, quantum, level, prio
_HTB_GLOB = struct.Struct("=5I")
TCA_HTB_PARMS, TCA_HTB_INIT, TCA_HTB_RATE64, TCA_HTB_CEIL64 = 1, 2, 6, 7
TCA_RED_PARMS, TCA_RED_STAB, TCA_RED_MAX_P = 1, 2, 3


class Discipline(NamedTuple):
    """One object of the tree: its kind and its values by name."""

    kind: str
    values: Mapping[str, int]


def disciplines_of(shaper: Shaper) -> tuple[Discipline, ...]:
    """The tree from the root down: CAKE alone, or HTB's class, its leaf, and below RED its buffer."""
    rate = round(shaper.rate_bps / 8)
    if abs(rate * 8 - shaper.rate_bps) * 1000 > shaper.rate_bps:
        raise ValueError(
            f"rate {shaper.rate_bps} bit/s: the kernel counts whole bytes per second, take {rate * 8} bit/s"
        )
    queue = shaper.queue
    if isinstance(queue, Cake):
        return (_cake(queue, rate, shaper.frame_overhead_bytes),)
    tree = (_htb(rate, shaper.frame_overhead_bytes), leaf_of(queue, rate))
    return (*tree, Discipline("bfifo", {"limit": queue.limit_bytes})) if isinstance(queue, Red) else tree


def leaf_of(queue: Queue, rate: int) -> Discipline:
    """The discipline below HTB, which empties it at ``rate`` bytes per second."""
    if isinstance(queue, Fifo):
        return Discipline(queue.kind, {"limit": queue.packets if queue.packets is not None else queue.bytes or 0})
    if isinstance(queue, Codel):
        times = {"target_us": queue.target_ns // NS_PER_US, "interval_us": queue.interval_ns // NS_PER_US}
        return Discipline(queue.kind, {**times, "limit": queue.limit_packets, "ecn": int(queue.ecn)})
    if isinstance(queue, Pie):
        return Discipline(
            "pie",
            {
                "target_us": queue.target_ns // NS_PER_US,
                "limit": queue.limit_packets,
                "update_us": queue.update_ns // NS_PER_US,
                "alpha": queue.alpha,
                "beta": queue.beta,
                "ecn": int(queue.ecn),
                "bytemode": 0,
                "estimator": 0,
            },
        )
    if isinstance(queue, Red):
        return _red(queue, rate)
    raise ValueError(f"{queue.kind} does not stand below HTB")


def _htb(rate: int, overhead: int) -> Discipline:
    """HTB's class.  Its burst is a full frame's time: enough to make up for a timer that came late, and never more than
    the one packet that a wire, too, has taken from its queue.  Left out it would become zero at high rates."""
    burst_ns = max(_LEAST_BURST_NS, (FULL_FRAME_BYTES + overhead) * NS_PER_S // rate)
    return Discipline("htb", {"rate": rate, "burst_ticks": burst_ns >> _TICK_SHIFT, "overhead": overhead})


def _cake(queue: Cake, rate: int, overhead: int) -> Discipline:
    rtt_us = queue.rtt_ns // NS_PER_US
    return Discipline(
        "cake",
        {
            "rate": rate,
            "diffserv": _CAKE_PRIORITIES.index(queue.priorities),
            "atm": 0,
            "flow_mode": _CAKE_FLOWS.index(queue.flows),
            # CAKE counts from the network header on.
            "overhead": overhead + _ETHERNET_HEADER_BYTES,
            "rtt_us": rtt_us,
            "target_us": rtt_us // 20,
            "autorate": 0,
            "memory": queue.memory_bytes,
            "wash": 0,
            "mpu": 0,
            "ingress": 0,
            "ack_filter": 0,
            "split_gso": 1,
        },
    )


def _red(queue: Red, rate: int) -> Discipline:
    """RED's parameters in its own logarithms, as Floyd's notes and iproute2 choose them."""
    burst = max(1, (2 * queue.min_bytes + queue.max_bytes) // (3 * FULL_FRAME_BYTES))
    weight_log = _red_weight_log(queue.min_bytes, burst)
    for what, value in (("min", queue.min_bytes), ("max", queue.max_bytes)):
        if value.bit_length() + weight_log >= 32:
            raise ValueError(f"RED: {what} of {value} bytes is more than the kernel's average can count")
    slope, slope_log = queue.probability / (queue.max_bytes - queue.min_bytes), 0
    while slope <= 1.0 and slope_log < 31:
        slope, slope_log = slope * 2, slope_log + 1
    cell_log, _ = _red_damping(weight_log, rate)
    return Discipline(
        "red",
        {
            "limit": 0,
            "min": queue.min_bytes,
            "max": queue.max_bytes,
            "weight_log": weight_log,
            "slope_log": slope_log,
            "cell_log": cell_log,
            "flags": (_RED_ECN if queue.ecn else 0) | (_RED_ADAPTIVE if queue.adaptive else 0),
            "max_probability": min(round(queue.probability * (1 << 32)), _MAX_U32),
            "rate": rate,
        },
    )


def _red_weight_log(least_bytes: int, burst: int) -> int:
    """The smallest weight 2^-w of the average by which a burst of so many packets stays below the least threshold."""
    room = burst + 1 - least_bytes / FULL_FRAME_BYTES
    for log in range(1, 32):
        weight = 0.5**log
        if room <= (1 - (1 - weight) ** burst) / weight:
            return log
    return 9  # Floyd's 0.002: the threshold is so small that any burst exceeds it


def _red_damping(weight_log: int, rate: int) -> tuple[int, bytes]:
    """How the average decays while the queue is empty: a shift for each cell of 2^log µs of idle time."""
    decay = -math.log1p(-(0.5**weight_log)) / (FULL_FRAME_BYTES * 1e6 / rate)  # of the logarithm, per µs
    cell_log = 0
    while 31 / decay / (1 << cell_log) >= _RED_STAB_BYTES * 2 and cell_log < 31:
        cell_log += 1
    shifts = [min(31, int((cell << cell_log) * decay)) for cell in range(_RED_STAB_BYTES - 1)]
    return cell_log, bytes([*shifts, 31])


def pack(discipline: Discipline) -> bytes:
    """The payload of TCA_OPTIONS."""
    kind, values = discipline
    if kind in ("pfifo", "bfifo"):
        return struct.pack("=I", values["limit"])
    if kind == "red":
        names = ("limit", "min", "max", "weight_log", "slope_log", "cell_log", "flags")
        return b"".join(
            (
                pack_attribute(TCA_RED_PARMS, _RED.pack(*(values[name] for name in names))),
                pack_attribute(TCA_RED_STAB, _red_damping(values["weight_log"], values["rate"])[1]),
                pack_attribute(TCA_RED_MAX_P, struct.pack("=I", values["max_probability"])),
            )
        )
    if kind == "htb":
        return _pack_htb(values)
    numbers = _NUMBERS[kind]
    return b"".join(
        pack_attribute(numbers[name], struct.pack("=Q" if name in _WIDE else "=I", value))
        for name, value in values.items()
    )


def _pack_htb(values: Mapping[str, int]) -> bytes:
    rate, ticks = values["rate"], values["burst_ticks"]
    one = (0, _TC_LINKLAYER_ETHERNET, values["overhead"], 0, 0, min(rate, _MAX_U32))
    packed = pack_attribute(TCA_HTB_PARMS, _HTB.pack(*one, *one, ticks, ticks, _HTB_QUANTUM_BYTES, 0, 0))
    if rate > _MAX_U32:
        wide = struct.pack("=Q", rate)
        packed += pack_attribute(TCA_HTB_RATE64, wide) + pack_attribute(TCA_HTB_CEIL64, wide)
    return packed


def pack_htb_root() -> bytes:
    """HTB itself: version 3, everything goes to class 1."""
    return pack_attribute(TCA_HTB_INIT, _HTB_GLOB.pack(3, 10, HTB_CLASS & 0xFFFF, 0, 0))


def new_htb(index: int) -> Request:
    """HTB as the root.  It knows no change: to be sent only where it is not there."""
    body = TCMSG.pack(0, index, HTB_HANDLE, TC_H_ROOT, 0) + pack_text(TCA_KIND, "htb")
    body += pack_attribute(TCA_OPTIONS, pack_htb_root())
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)


def set_htb_class(index: int, htb: Discipline) -> Request:
    """Create HTB's only class, or change its rate in place."""
    body = TCMSG.pack(0, index, HTB_CLASS, HTB_HANDLE, 0) + pack_text(TCA_KIND, "htb")
    body += pack_attribute(TCA_OPTIONS, pack(htb))
    return Request(RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_REPLACE, body)


def set_discipline(index: int, handle: int, parent: int, discipline: Discipline) -> Request:
    """Create a queue discipline below ``parent``, or change the one of that handle in place: its queue is kept."""
    body = TCMSG.pack(0, index, handle, parent, 0) + pack_text(TCA_KIND, discipline.kind)
    body += pack_attribute(TCA_OPTIONS, pack(discipline))
    return Request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, body)


def shaper_requests(index: int, tree: Sequence[Discipline], *, htb_is_there: bool) -> list[Request]:
    """Create the tree as the root of an interface, or change the one that is there in place."""
    if tree[0].kind == "cake":
        return [set_discipline(index, CAKE_HANDLE, TC_H_ROOT, tree[0])]
    leaf = LEAF_HANDLES[tree[1].kind]
    return [
        *([] if htb_is_there else [new_htb(index)]),
        set_htb_class(index, tree[0]),
        set_discipline(index, leaf, HTB_CLASS, tree[1]),
        *(set_discipline(index, RED_BUFFER_HANDLE, leaf | 1, below) for below in tree[2:]),
    ]


def get_classes(index: int) -> Request:
    """The classes of one interface."""
    return Request(RTM_GETTCLASS, NLM_F_DUMP, TCMSG.pack(0, index, 0, 0, 0))


def parse_class(body: bytes) -> tuple[int, bytes]:
    """Handle and options of one message of a class dump."""
    _, _, handle, _, _ = TCMSG.unpack_from(body)
    return handle, attributes(body, TCMSG.size).get(TCA_OPTIONS, b"")


def parse(kind: str, options: bytes) -> dict[str, int]:
    """The values of one object of a dump; empty for a kind that is none of ours."""
    if kind in ("pfifo", "bfifo"):
        return {"limit": struct.unpack_from("=I", options)[0]} if options else {}
    found = attributes(options)
    if kind == "red":
        names = ("limit", "min", "max", "weight_log", "slope_log", "cell_log", "flags")
        values = dict(zip(names, _RED.unpack_from(found[TCA_RED_PARMS]), strict=True))
        return values | {"max_probability": struct.unpack_from("=I", found[TCA_RED_MAX_P])[0]}
    if kind == "htb":
        if TCA_HTB_PARMS not in found:
            return {}
        parms = _HTB.unpack_from(found[TCA_HTB_PARMS])
        rate = struct.unpack_from("=Q", found[TCA_HTB_RATE64])[0] if TCA_HTB_RATE64 in found else parms[5]
        return {"rate": rate, "burst_ticks": parms[12], "overhead": parms[2]}
    return {
        name: struct.unpack_from("=Q" if name in _WIDE else "=I", found[number])[0]
        for name, number in _NUMBERS.get(kind, {}).items()
        if number in found
    }


def as_held(discipline: Discipline) -> dict[str, int]:
    """What the kernel says it holds after this was sent: its units are coarser than those it is asked in."""
    held = dict(discipline.values)
    if discipline.kind in ("codel", "fq_codel"):
        for name in ("target_us", "interval_us"):
            held[name] = ((held[name] * 1000 >> _CODEL_SHIFT) << _CODEL_SHIFT) // 1000
    if discipline.kind == "pie":
        held["target_us"] = ((held["target_us"] * 1000 >> _TICK_SHIFT) << _TICK_SHIFT) // 1000
    if discipline.kind == "red":
        del held["rate"]  # went into the damping table, which is not told
    return held


def shaper_of(tree: Mapping[str, Mapping[str, int]]) -> Shaper | None:
    """What the values read (by kind; RED's buffer as ``buffer``) mean.  None for a tree that is not ours."""
    if "cake" in tree:
        cake = tree["cake"]
        queue: Queue = Cake(
            rtt_ns=cake["rtt_us"] * NS_PER_US,
            memory_bytes=cake["memory"],
            flows=_CAKE_FLOWS[cake["flow_mode"]],  # type: ignore[arg-type]
            priorities=_CAKE_PRIORITIES[cake["diffserv"]],  # type: ignore[arg-type]
        )
        overhead = cake["overhead"] - _ETHERNET_HEADER_BYTES
        return Shaper(rate_bps=cake["rate"] * 8, queue=queue, frame_overhead_bytes=overhead)
    leaf = next((kind for kind in LEAF_HANDLES if kind in tree), None)
    if leaf is None or "htb" not in tree:
        return None
    queue = _queue_of(leaf, tree[leaf], tree.get("buffer", {}))
    return Shaper(rate_bps=tree["htb"]["rate"] * 8, queue=queue, frame_overhead_bytes=tree["htb"]["overhead"])


def _queue_of(kind: str, values: Mapping[str, int], buffer: Mapping[str, int]) -> Queue:
    limit = values["limit"]
    if kind == "pfifo":
        return Fifo(packets=limit)
    if kind == "bfifo":
        return Fifo(bytes=limit)
    if kind == "red":
        return Red(
            limit_bytes=buffer["limit"],
            min_bytes=values["min"],
            max_bytes=values["max"],
            probability=values["max_probability"] / (1 << 32),
            ecn=bool(values["flags"] & _RED_ECN),
            adaptive=bool(values["flags"] & _RED_ADAPTIVE),
        )
    target_ns, ecn = values["target_us"] * NS_PER_US, bool(values["ecn"])
    if kind == "pie":
        return Pie(
            limit_packets=limit,
            target_ns=target_ns,
            # Whole ticks, rounded up, and no tick is above 10 ms: 30 ms are held as 32 where one has 4 (HZ=250).
            update_ns=values["update_us"] // _PIE_UPDATE_STEP_US * _PIE_UPDATE_STEP_US * NS_PER_US,
            alpha=values["alpha"],
            beta=values["beta"],
            ecn=ecn,
        )
    interval_ns = values["interval_us"] * NS_PER_US
    return Codel(fair=kind == "fq_codel", limit_packets=limit, target_ns=target_ns, interval_ns=interval_ns, ecn=ecn)
