"""netem, as ``linux/pkt_sched.h`` has it: everything its options can say.

In: a :class:`Netem` (or an impairment, see :func:`netem_of`).  Out: the payload of TCA_OPTIONS, and its reading.
Never: a socket; never a value clipped: what the kernel's fields cannot hold is a ValueError.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from shadowlab.model.impairment import DEFAULT_QUEUE_PACKETS, Framing, Impairment, Slot
from shadowlab.model.jitter import JitterShape
from shadowlab.model.loss import Chance, FourState, GilbertElliott, LossModel, Reorder
from shadowlab.wire.netlink import attributes, pack_attribute, pack_nested

TCA_NETEM_CORR, TCA_NETEM_DELAY_DIST, TCA_NETEM_REORDER, TCA_NETEM_CORRUPT, TCA_NETEM_LOSS = 1, 2, 3, 4, 5
TCA_NETEM_RATE, TCA_NETEM_ECN, TCA_NETEM_RATE64, TCA_NETEM_LATENCY64, TCA_NETEM_JITTER64 = 6, 7, 8, 10, 11
TCA_NETEM_SLOT, TCA_NETEM_PRNG_SEED = 12, 14
NETEM_LOSS_GI, NETEM_LOSS_GE = 1, 2

_HEAD = struct.Struct("=6IHH3IHH2IHH2IHHIiIi")  # that, and the attributes of correlations, reorder, corrupt, rate
_TAIL = struct.Struct("=HHqHHqHHIHHqqiiqq")  # the attributes of latency, jitter, ECN and slots
_QOPT = struct.Struct("=6I")  # latency, limit, loss, gap, duplicate, jitter
_RATE = struct.Struct("=IiIi")  # rate, packet overhead, cell size, cell overhead
_SLOT = struct.Struct("=qqiiqq")  # least and longest pause, packets, bytes, and a distribution that we leave out
_TWO, _THREE = struct.Struct("=2I"), struct.Struct("=3I")
_U32, _S64, _U64 = struct.Struct("=I"), struct.Struct("=q"), struct.Struct("=Q")

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

    The kernel keeps what a change leaves out, hence every field is always sent, zeros included.  Two exceptions it
    forces on us: ``table`` cannot be read back, and cannot be taken away (an even one stands for none); ``seed`` is
    sent only where there is one, since 0 is a seed too.
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
    """Kind of a state-based loss model: 1 four states, 2 Gilbert-Elliott."""
    loss_chances: tuple[int, ...] = ()
    """p13, p31, p32, p14, p23 of four states; p, r, h, 1-k of Gilbert-Elliott."""
    slot_least_ns: int = 0
    slot_most_ns: int = 0
    slot_packets: int = 0
    slot_bytes: int = 0
    seed: int | None = None
    table: tuple[int, ...] = ()


_LOSS_FORMS = {NETEM_LOSS_GI: struct.Struct("=5I"), NETEM_LOSS_GE: struct.Struct("=4I")}


_NO_CHANCE, _NO_REORDER, _ETHERNET, _NO_SLOT = Chance(), Reorder(), Framing(), Slot(least_ns=0, most_ns=1)


def netem_of(impairment: Impairment) -> Netem:
    """What to ask of the kernel for one device.  Raises ValueError for what its fields cannot express."""
    impairment.check()
    if impairment.queue is not None:
        raise ValueError("netem has no queue discipline: it takes a device of its own")
    shape, table = impairment.shape, impairment.jitter_table()
    jitter_ns = round(impairment.jitter_ns * table.stretch)
    if jitter_ns >= 1 << 31:
        raise ValueError(
            f"jitter {impairment.jitter_ns} ns ({shape.distribution}): the kernel's ends at "
            f"{int(((1 << 31) - 1) / table.stretch)} ns"
        )
    if impairment.delay_ns >= 1 << 62:
        raise ValueError(f"delay {impairment.delay_ns} ns: the kernel's clock ends before")
    limit = impairment.limit_packets()
    if limit > MAX_U32:
        raise ValueError(f"{limit} packets in flight and waiting: the kernel's limit ends at {MAX_U32}")
    duplicate, corrupt = impairment.duplicate or _NO_CHANCE, impairment.corrupt or _NO_CHANCE
    reorder = impairment.reorder if impairment.reorder is not None and impairment.reorder.share else _NO_REORDER
    framing, slot = impairment.framing or _ETHERNET, impairment.slot or _NO_SLOT
    real_rate = impairment.rate_bps is not None
    loss_model, loss_chances = _loss_model(impairment.loss_model)
    return Netem(
        latency_ns=impairment.delay_ns,
        jitter_ns=jitter_ns,
        limit=limit,
        loss=_share("loss", impairment.loss),
        rate=_rate(impairment),
        # What a wire carries beyond the socket buffer: preamble, gap, checksum.  Of no effect without a rate.
        packet_overhead=framing.packet_bytes if real_rate else 0,
        duplicate=_share("duplicate", duplicate.share),
        gap=reorder.gap if reorder.share else 0,
        ecn=int(impairment.ecn),
        delay_correlation=_share("jitter correlation", shape.correlation),
        loss_correlation=_share("loss correlation", impairment.loss_correlation),
        duplicate_correlation=_share("duplicate correlation", duplicate.correlation),
        reorder=_share("reorder", reorder.share),
        reorder_correlation=_share("reorder correlation", reorder.correlation),
        corrupt=_share("corrupt", corrupt.share),
        corrupt_correlation=_share("corrupt correlation", corrupt.correlation),
        cell_size=framing.cell_bytes if real_rate else 0,
        cell_overhead=framing.cell_overhead_bytes if real_rate else 0,
        loss_model=loss_model,
        loss_chances=loss_chances,
        slot_least_ns=slot.least_ns if impairment.slot else 0,
        slot_most_ns=slot.most_ns if impairment.slot else 0,
        slot_packets=slot.packets,
        slot_bytes=slot.bytes,
        seed=impairment.seed,
        table=table.entries if impairment.jitter_ns else (),
    )


def _share(what: str, share: float) -> int:
    if not share:  # most are
        return 0
    packed = round(share * MAX_U32)
    if not packed:
        raise ValueError(f"{what} {share:g} is below what the kernel can express ({1 / MAX_U32:.2g})")
    return packed


def _rate(impairment: Impairment) -> int:
    """Bytes per second."""
    if impairment.rate_bps is None:
        ordered = impairment.jitter_ns and not impairment.shape.reordering
        return KEEP_ORDER_RATE if ordered else 0
    rate = round(impairment.rate_bps / 8)
    if not 0 < rate < KEEP_ORDER_RATE:
        raise ValueError(f"rate {impairment.rate_bps} bit/s: the kernel takes 8 bit/s to {KEEP_ORDER_RATE} byte/s")
    if abs(rate * 8 - impairment.rate_bps) * 1000 > impairment.rate_bps:
        raise ValueError(
            f"rate {impairment.rate_bps} bit/s: the kernel counts whole bytes per second, take {rate * 8} bit/s"
        )
    if impairment.jitter_ns and impairment.shape.reordering:
        raise ValueError("netem with a rate keeps the order: reordering jitter needs the rate on another device")
    return rate


def _loss_model(model: LossModel | None) -> tuple[int, tuple[int, ...]]:
    if model is None:
        return 0, ()
    if isinstance(model, FourState):
        names = ("p13", "p31", "p32", "p14", "p23")
        return NETEM_LOSS_GI, tuple(_share(name, getattr(model, name)) for name in names)
    # The kernel asks for h, the share that comes through the bad state.
    chances = (
        _share("p", model.p),
        _share("r", model.r),
        MAX_U32 - _share("bad", model.bad),
        _share("good", model.good),
    )
    return NETEM_LOSS_GE, chances


def impairment_of(netem: Netem, shape: JitterShape | None = None) -> Impairment:
    """What the state means.  Exact for what :func:`netem_of` made, up to rounding to the kernel's units.

    The kernel does not tell its jitter table: ``shape`` is the one that was set.  The buffer of an unlimited link
    cannot be told from netem's limit: it reads as the default.
    """
    rate_bps = None if netem.rate in (0, KEEP_ORDER_RATE) else netem.rate * 8
    framing = Framing(
        packet_bytes=netem.packet_overhead, cell_bytes=netem.cell_size, cell_overhead_bytes=netem.cell_overhead
    )
    reordering = bool(netem.jitter_ns) and netem.rate == 0
    held = JitterShape(
        distribution=shape.distribution if shape else "uniform",
        reordering=reordering or (shape.reordering if shape and not netem.jitter_ns else False),
        correlation=netem.delay_correlation / MAX_U32,
        table=shape.table if shape else (),
        stretch=shape.stretch if shape else 1.0,
    )
    reorder = Reorder(
        share=netem.reorder / MAX_U32, correlation=netem.reorder_correlation / MAX_U32, gap=max(1, netem.gap)
    )
    slot = Slot(
        least_ns=netem.slot_least_ns,
        most_ns=netem.slot_most_ns or 1,
        packets=netem.slot_packets,
        bytes=netem.slot_bytes,
    )
    one = Impairment(
        delay_ns=netem.latency_ns,
        jitter_ns=round(netem.jitter_ns / held.jitter_table().stretch),
        loss=netem.loss / MAX_U32,
        rate_bps=rate_bps,
        queue_packets=1,
        jitter_shape=None if held == JitterShape() else held,
        loss_correlation=netem.loss_correlation / MAX_U32,
        loss_model=_model_of(netem),
        duplicate=_chance(netem.duplicate, netem.duplicate_correlation),
        corrupt=_chance(netem.corrupt, netem.corrupt_correlation),
        reorder=reorder if netem.reorder and netem.gap else None,
        framing=framing if rate_bps is not None and framing != Framing() else None,
        slot=slot if netem.slot_most_ns else None,
        ecn=bool(netem.ecn),
        seed=netem.seed,
    )
    return one.with_queue_packets(_queue_packets(netem, one))


def _queue_packets(netem: Netem, bare: Impairment) -> int:
    """The buffer behind the limit, from an impairment that has one of a single packet."""
    if bare.rate_bps is not None:
        return max(netem.limit - (bare.limit_packets() - 1), 1)
    return max(netem.limit, 1) if netem.limit > bare.limit_packets() else DEFAULT_QUEUE_PACKETS


def _chance(share: int, correlation: int) -> Chance | None:
    chance = Chance(share=share / MAX_U32, correlation=correlation / MAX_U32)
    return None if chance == Chance() else chance


def _model_of(netem: Netem) -> LossModel | None:
    shares = [chance / MAX_U32 for chance in netem.loss_chances]
    if netem.loss_model == NETEM_LOSS_GI:
        p13, p31, p32, p14, p23 = shares
        return FourState(p13=p13, p31=p31, p32=p32, p14=p14, p23=p23)
    if netem.loss_model == NETEM_LOSS_GE:
        p, r, h, good = shares
        return GilbertElliott(p=p, r=r, bad=1 - h, good=good)
    return None


def pack_netem(netem: Netem) -> bytes:
    """The payload of TCA_OPTIONS: a structure, followed by attributes."""
    latency, jitter = min(netem.latency_ns >> TICK_SHIFT, MAX_U32), min(netem.jitter_ns >> TICK_SHIFT, MAX_U32)
    head = _HEAD.pack(
        *(latency, netem.limit, netem.loss, netem.gap, netem.duplicate, jitter),
        *(16, TCA_NETEM_CORR, netem.delay_correlation, netem.loss_correlation, netem.duplicate_correlation),
        *(12, TCA_NETEM_REORDER, netem.reorder, netem.reorder_correlation),
        *(12, TCA_NETEM_CORRUPT, netem.corrupt, netem.corrupt_correlation),
        *(20, TCA_NETEM_RATE, min(netem.rate, MAX_U32), netem.packet_overhead, netem.cell_size, netem.cell_overhead),
    )
    # The kernel takes the larger of the two rates, so the 64-bit one goes along only where it is needed.
    rate = pack_attribute(TCA_NETEM_RATE64, _U64.pack(netem.rate)) if netem.rate > MAX_U32 else b""
    tail = _TAIL.pack(
        *(12, TCA_NETEM_LATENCY64, netem.latency_ns),
        *(12, TCA_NETEM_JITTER64, netem.jitter_ns),
        *(8, TCA_NETEM_ECN, netem.ecn),
        *(44, TCA_NETEM_SLOT, netem.slot_least_ns, netem.slot_most_ns, netem.slot_packets, netem.slot_bytes, 0, 0),
    )
    packed = head + rate + tail + _pack_loss_model(netem)  # left out, the kernel goes back to single losses by itself
    if netem.seed is not None:
        packed += pack_attribute(TCA_NETEM_PRNG_SEED, _U64.pack(netem.seed))
    if netem.table:
        packed += pack_attribute(TCA_NETEM_DELAY_DIST, struct.pack(f"={len(netem.table)}h", *netem.table))
    return packed


def _pack_loss_model(netem: Netem) -> bytes:
    if not netem.loss_model:
        return b""
    form = _LOSS_FORMS[netem.loss_model]
    return pack_nested(TCA_NETEM_LOSS, pack_attribute(netem.loss_model, form.pack(*netem.loss_chances)))


def parse_netem(options: bytes) -> Netem:
    """The payload of TCA_OPTIONS as the kernel dumps it."""
    latency, limit, loss, gap, duplicate, jitter = _QOPT.unpack_from(options)
    found = attributes(options, _QOPT.size)

    def words(kind: int, form: struct.Struct) -> tuple[int, ...]:
        payload = found.get(kind)
        return form.unpack_from(payload if payload is not None else bytes(form.size))

    delay_correlation, loss_correlation, duplicate_correlation = words(TCA_NETEM_CORR, _THREE)
    reorder, reorder_correlation = words(TCA_NETEM_REORDER, _TWO)
    corrupt, corrupt_correlation = words(TCA_NETEM_CORRUPT, _TWO)
    rate, packet_overhead, cell_size, cell_overhead = words(TCA_NETEM_RATE, _RATE)
    if TCA_NETEM_RATE64 in found:
        (rate,) = words(TCA_NETEM_RATE64, _U64)
    latency_ns, jitter_ns = latency << TICK_SHIFT, jitter << TICK_SHIFT
    if TCA_NETEM_LATENCY64 in found:
        (latency_ns,) = words(TCA_NETEM_LATENCY64, _S64)
    if TCA_NETEM_JITTER64 in found:
        (jitter_ns,) = words(TCA_NETEM_JITTER64, _S64)
    slot_least_ns, slot_most_ns, slot_packets, slot_bytes, _, _ = words(TCA_NETEM_SLOT, _SLOT)
    loss_model, chances = next(iter(attributes(found.get(TCA_NETEM_LOSS, b"")).items()), (0, b""))
    return Netem(
        latency_ns=latency_ns,
        jitter_ns=jitter_ns,
        limit=limit,
        loss=loss,
        rate=rate,
        packet_overhead=packet_overhead,
        duplicate=duplicate,
        gap=gap,
        ecn=words(TCA_NETEM_ECN, _U32)[0],
        delay_correlation=delay_correlation,
        loss_correlation=loss_correlation,
        duplicate_correlation=duplicate_correlation,
        reorder=reorder,
        reorder_correlation=reorder_correlation,
        corrupt=corrupt,
        corrupt_correlation=corrupt_correlation,
        cell_size=cell_size,
        cell_overhead=cell_overhead,
        loss_model=loss_model,
        loss_chances=_LOSS_FORMS[loss_model].unpack_from(chances) if loss_model in _LOSS_FORMS else (),
        slot_least_ns=slot_least_ns,
        slot_most_ns=slot_most_ns,
        slot_packets=slot_packets,
        slot_bytes=slot_bytes,
        seed=words(TCA_NETEM_PRNG_SEED, _U64)[0] if TCA_NETEM_PRNG_SEED in found else None,
    )
