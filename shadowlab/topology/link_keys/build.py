"""What a direction states becomes an impairment.

In: the stated keys of one direction, plain or as sections; the folder of the map, for files of samples.
Out: an impairment that the kernel can hold, and what was derived.  Never: a value the kernel would clip: ValueError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shadowlab.model.impairment import DEFAULT_MTU, DEFAULT_QUEUE_PACKETS, Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, FourState, GilbertElliott, LossModel, Reorder
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red
from shadowlab.model.units import format_duration
from shadowlab.topology.link_keys.samples import Measured, measure, read_samples
from shadowlab.topology.link_keys.sections import (
    ChanceSection,
    FramingSection,
    JitterSection,
    Limit,
    LossSection,
    QueueSection,
    ReorderSection,
    SlotSection,
)
from shadowlab.wire.disciplines import disciplines_of
from shadowlab.wire.netem import netem_of

Way = Mapping[str, Any]
Tell = Callable[[str, str], None]
"""Called with a value that was derived, and its origin."""

_HEADER_BYTES = 14
_QUEUE_KEYS = {
    "pfifo": {"limit", "rtt"},
    "bfifo": {"limit", "rtt"},
    "red": {"limit", "rtt", "ecn", "min", "max", "probability", "adaptive"},
    "codel": {"limit", "rtt", "ecn", "target", "interval"},
    "fq_codel": {"limit", "rtt", "ecn", "target", "interval"},
    "pie": {"limit", "rtt", "ecn", "target", "update", "alpha", "beta"},
    "cake": {"limit", "rtt", "flows", "priorities"},
}
_LOSS_KEYS = {
    "single": {"share", "correlation"},
    "gilbert-elliott": {"p", "r", "bad", "good"},
    "four-state": {"p13", "p31", "p32", "p23", "p14"},
}


def with_measured_delay(way: Way, folder: Path, tell: Tell) -> Way:
    """The same way; one with samples of its delay gets what it does not state itself: delay, jitter, their shape."""
    jitter = way.get("jitter")
    if not isinstance(jitter, JitterSection) or not (jitter.samples or jitter.file):
        if isinstance(jitter, JitterSection) and jitter.distribution == "empirical":
            raise ValueError("an empirical distribution needs `samples` or a `file` of them")
        return way
    if jitter.samples and jitter.file:
        raise ValueError("samples are given in the map or in a file, not in both")
    if "distribution" in jitter.model_fields_set and jitter.distribution != "empirical":
        raise ValueError(f"samples are for an empirical distribution, not for a {jitter.distribution} one")
    measured = measure(jitter.samples or read_samples(folder / jitter.file))
    if "delay" not in way:
        tell(f"delay {format_duration(measured.mean_ns)}", "mean of the samples")
        way = {"delay": measured.mean_ns, **way}
    if jitter.size is None:
        tell(f"jitter {format_duration(measured.deviation_ns)}", "standard deviation of the samples")
    return {**way, "measured": measured}


def impairment(way: Way, *, rtt_ns: int, tell: Tell) -> Impairment:
    """What the direction does to packets.  ``rtt_ns`` is the link's there and back, for buffers in bandwidth-delay
    products that state no other.  Raises ValueError for what contradicts itself or no kernel can hold."""
    queue_packets, queue = _queue(way, rtt_ns, tell)
    jitter_ns, shape = _jitter(way)
    loss = way.get("loss", 0.0)
    slot = way.get("slot")
    one = Impairment(
        delay_ns=way["delay"],
        jitter_ns=jitter_ns,
        loss=_single_loss(loss),
        rate_bps=way.get("rate"),
        queue_packets=queue_packets,
        jitter_shape=shape,
        loss_correlation=loss.correlation if isinstance(loss, LossSection) else 0.0,
        loss_model=_loss_model(loss) if isinstance(loss, LossSection) else None,
        duplicate=_chance(way.get("duplicate", 0.0)),
        corrupt=_chance(way.get("corrupt", 0.0)),
        reorder=_reorder(way.get("reorder", 0.0)),
        framing=_framing(way.get("framing", "ethernet")),
        slot=_slot(slot) if slot is not None else None,
        ecn=isinstance(loss, LossSection) and loss.ecn,
        seed=way.get("seed"),
        queue=queue,
        mtu=way.get("mtu", DEFAULT_MTU),
    ).check()
    netem_of(one.delay_line(serialise=True) if one.split else one)
    if one.split:
        disciplines_of(one.shaper())
    return one


def _jitter(way: Way) -> tuple[int, JitterShape | None]:
    jitter = way.get("jitter", 0)
    if not isinstance(jitter, JitterSection):
        return jitter, None
    measured: Measured | None = way.get("measured")
    shape = measured.shape if measured is not None else JitterShape(distribution=jitter.distribution)
    shape = replace(shape, reordering=jitter.mode == "reordering", correlation=jitter.correlation)
    size_ns = jitter.size if jitter.size is not None else measured.deviation_ns if measured is not None else None
    if size_ns is None:
        raise ValueError("jitter has no `size`")
    return size_ns, None if shape == JitterShape() else shape


def _single_loss(loss: float | LossSection) -> float:
    if not isinstance(loss, LossSection):
        return loss
    _only(loss.model_fields_set, _LOSS_KEYS[loss.model] | {"model", "ecn"}, f"loss of the model {loss.model}")
    if loss.model == "single" and loss.share is None:
        raise ValueError("loss has no `share`")
    return loss.share or 0.0


def _loss_model(loss: LossSection) -> LossModel | None:
    stated = {name: getattr(loss, name) for name in _LOSS_KEYS[loss.model] if getattr(loss, name) is not None}
    needed = {"single": (), "gilbert-elliott": ("p", "r"), "four-state": ("p13", "p31")}[loss.model]
    for name in needed:
        if name not in stated:
            raise ValueError(f"loss of the model {loss.model} needs `{name}`")
    if loss.model == "gilbert-elliott":
        return GilbertElliott(**stated)
    return FourState(**stated) if loss.model == "four-state" else None


def _only(stated: set[str], known: set[str], what: str) -> None:
    more = sorted(stated - known)
    if more:
        raise ValueError(f"{what} has no `{more[0]}`; it takes {', '.join(sorted(known))}")


def _chance(value: float | ChanceSection) -> Chance | None:
    if isinstance(value, ChanceSection):
        return Chance(share=value.share, correlation=value.correlation)
    return Chance(share=value) if value else None


def _reorder(value: float | ReorderSection) -> Reorder | None:
    if isinstance(value, ReorderSection):
        return Reorder(share=value.share, correlation=value.correlation, gap=value.gap)
    return Reorder(share=value) if value else None


def _framing(value: str | FramingSection) -> Framing | None:
    if isinstance(value, FramingSection):
        return Framing(packet_bytes=value.packet, cell_bytes=value.cell, cell_overhead_bytes=value.cell_overhead)
    return Framing(packet_bytes=0) if value == "none" else None


def _slot(value: SlotSection) -> Slot:
    return Slot(least_ns=value.least, most_ns=value.most, packets=value.packets, bytes=value.bytes)


def _queue(way: Way, rtt_ns: int, tell: Tell) -> tuple[int, Queue | None]:
    """The plain buffer in packets, and the discipline if there is one."""
    stated = way.get("queue", DEFAULT_QUEUE_PACKETS)
    if not isinstance(stated, QueueSection):
        return stated, None
    _only(stated.model_fields_set - {"kind"}, _QUEUE_KEYS[stated.kind], f"queue of the kind {stated.kind}")
    size = _Sizes(way, stated, rtt_ns, tell)
    given = {name: getattr(stated, name) for name in ("ecn", "alpha", "beta", "flows", "priorities", "probability")}
    given |= {"adaptive": stated.adaptive}
    times = {"target_ns": stated.target, "interval_ns": stated.interval, "update_ns": stated.update}
    known = {name: value for name, value in (given | times).items() if value is not None}
    if stated.kind == "pfifo":
        return size.packets(stated.limit, DEFAULT_QUEUE_PACKETS), None
    if stated.kind == "bfifo":
        return DEFAULT_QUEUE_PACKETS, Fifo(bytes=size.bytes(stated.limit, DEFAULT_QUEUE_PACKETS * size.frame_bytes))
    if stated.kind in ("codel", "fq_codel"):
        limit = size.packets(stated.limit, Codel().limit_packets)
        return DEFAULT_QUEUE_PACKETS, Codel(fair=stated.kind == "fq_codel", limit_packets=limit, **known)
    if stated.kind == "pie":
        return DEFAULT_QUEUE_PACKETS, Pie(limit_packets=size.packets(stated.limit, Pie().limit_packets), **known)
    if stated.kind == "cake":
        memory = size.bytes(stated.limit, 0)
        known |= {"rtt_ns": stated.rtt} if stated.rtt is not None else {}
        return DEFAULT_QUEUE_PACKETS, Cake(memory_bytes=memory, **known)
    limit = size.bytes(stated.limit, DEFAULT_QUEUE_PACKETS * size.frame_bytes)
    # Floyd: the average may swing to three times its least; the real buffer holds a burst beyond that.
    least, most = size.bytes(stated.min, limit // 12), size.bytes(stated.max, limit // 4)
    return DEFAULT_QUEUE_PACKETS, Red(limit_bytes=limit, min_bytes=least, max_bytes=most, **known)


class _Sizes:
    """Buffer sizes of one queue in the unit its kind counts in."""

    def __init__(self, way: Way, queue: QueueSection, rtt_ns: int, tell: Tell) -> None:
        self.frame_bytes: int = way.get("mtu", DEFAULT_MTU) + _HEADER_BYTES
        self._rate_bps: int | None = way.get("rate")
        self._rtt_ns = queue.rtt if queue.rtt is not None else rtt_ns
        self._origin = "rtt stated" if queue.rtt is not None else "the link's delay there and back"
        self._tell = tell

    def packets(self, limit: Limit | None, default: int) -> int:
        if limit is None:
            return default
        if limit.unit == "bytes":
            raise ValueError("this kind of queue counts packets: write `60 packets`, or take bfifo")
        if limit.unit == "packets":
            return int(limit.amount)
        packets = max(1, round(self._product_bytes(limit) / self.frame_bytes))
        self._tell(f"queue {packets} packets", f"{limit.amount:g} bandwidth-delay products, {self._origin}")
        return packets

    def bytes(self, limit: Limit | None, default: int) -> int:
        if limit is None:
            return default
        if limit.unit == "packets":
            return int(limit.amount) * self.frame_bytes
        if limit.unit == "bytes":
            return int(limit.amount)
        size = max(self.frame_bytes, round(self._product_bytes(limit)))
        self._tell(f"queue {size} bytes", f"{limit.amount:g} bandwidth-delay products, {self._origin}")
        return size

    def _product_bytes(self, limit: Limit) -> float:
        if self._rate_bps is None:
            raise ValueError("a buffer in bandwidth-delay products needs a rate")
        if not self._rtt_ns:
            raise ValueError("a buffer in bandwidth-delay products needs a delay: state the queue's `rtt`")
        return limit.amount * self._rate_bps / 8 * self._rtt_ns / 1e9
