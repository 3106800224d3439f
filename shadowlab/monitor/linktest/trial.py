"""What to send over one direction of a link so that its delay, rate, loss and queue show themselves.

In: what the direction is wished to do, its ends, how much time there is.  Out: counts, sizes, pauses.
Never: an effect; never more packets on their way at once than the wished buffer holds, the last part excepted, whose
purpose that is.  Imported inside the guest: standard library only.

Four parts, one after the other, each on a link that is idle but for other people's traffic:

- *delay*: small single packets, far apart.
- *loss*: small packets in small batches, below the rate and within the buffer, so that none is lost by overflow.
- *train*: full packets, always as many on their way as fill the link and half its buffer, so that it is never idle:
  the distance of arrivals is the rate.
- *burst*: more packets at once than the buffer holds: what survives is its size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import FourState, GilbertElliott
from shadowlab.model.queue import Fifo

IP_HEADER_BYTES = 8 + 20
HEADER_BYTES = IP_HEADER_BYTES + 14
"""UDP, IP and Ethernet: what a payload weighs more in a socket buffer."""
_SMALL_BYTES = 64
SKIPPED = 3
"""Arrivals at the head of a train that say nothing: a shaper lets a frame or two pass at once."""
LEAST_TRAIN = 8

_DELAY_PROBES, _JITTERED_PROBES = 30, 200
_DELAY_GAP_NS = 2_000_000
_DELAY_GAP_JITTERS = 4
"""Ordered jitter lets no packet overtake another: nearer to each other, one would wait for the one before."""
_LOSSES_WANTED = 30
_LOSSLESS_PACKETS, _MOST_LOSS_PACKETS = 1_000, 20_000
_LOSS_GAP_NS = 100_000
_MOST_BATCH = 32
_TRAIN_NS = 500_000_000
_TRAIN_LEAST, _TRAIN_MOST = 20, 20_000
_UNLIMITED_TRAIN = 100
_BURST_MOST = 30_000
_SHARES = {"delay": 0.2, "loss": 0.3, "train": 0.25, "burst": 0.25}


@dataclass(frozen=True, kw_only=True)
class End:
    """Where packets of the trial leave or arrive: a node, and its address on that link."""

    node: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One direction's trial.  A count of 0: that part is left out, and ``reasons`` says why, by part.

    ``serialised``: a packet that finds the link idle still takes its time on the wire; a shaper alone lets it pass.
    Of a train's first window ``train_start`` packets leave at once and the rest with a gap: what an idle link has room
    for is its buffer.  ``transit_ns`` is the longest that a small packet takes on an idle link if all is as wished.
    ``burst_room`` is the number of packets the buffer should hold, ``burst_hold_ns`` the time a packet is on its way
    outside of it.
    """

    direction: str
    sender: End
    receiver: End
    serialised: bool
    transit_ns: int
    probes: int
    probe_gap_ns: int
    loss_packets: int
    loss_batch: int
    loss_gap_ns: int
    train_packets: int
    train_bytes: int
    train_window: int
    train_start: int
    train_gap_ns: int
    train_drain_ns: int
    small_bytes: int
    burst_packets: int
    burst_bytes: int
    burst_room: int
    burst_hold_ns: int
    burst_drain_ns: int
    part_ns: int
    """No part goes on sending for longer than this."""
    reasons: tuple[tuple[str, str], ...] = ()


def small_bytes(wish: Impairment) -> int:
    """Payload of a small packet: of a probe's size, if the MTU allows."""
    return min(_SMALL_BYTES, wish.mtu - IP_HEADER_BYTES)


def wire_bits(wish: Impairment, payload_bytes: int) -> int:
    """Bits that a rate counts for a UDP packet: frame and framing, in whole cells where there are cells."""
    size = payload_bytes + HEADER_BYTES + wish.wire_overhead_bytes
    framing = wish.framing
    if framing is not None and framing.cell_bytes:
        size = -(-size // framing.cell_bytes) * (framing.cell_bytes + framing.cell_overhead_bytes)
    return 8 * size


def wire_ns(wish: Impairment, payload_bytes: int) -> float:
    """How long that packet occupies the wire; 0 without a rate."""
    return 0.0 if wish.rate_bps is None else wire_bits(wish, payload_bytes) * 1e9 / wish.rate_bps


def spread_ns(wish: Impairment) -> float:
    """By how much the jitter may make a packet later than the delay."""
    return wish.jitter_ns * max(wish.jitter_table().most, 1.0)


def burstiness(wish: Impairment) -> float:
    """By what factor losses in bursts scatter more than independent ones: that of a chain's autocorrelation."""
    model = wish.loss_model
    if isinstance(model, GilbertElliott) and model.p:
        memory = 1 - model.p - model.r
        return max(1.0, (1 + memory) / (1 - memory))
    if isinstance(model, FourState) and model.p13:
        return max(1.0, 2 / model.p31)
    return 1.0


def plan_trial(
    *, direction: str, sender: End, receiver: End, wish: Impairment, leaves_router: bool, budget_ns: int
) -> Trial:
    """The trial of one direction that takes about ``budget_ns`` if the direction is as wished.

    ``leaves_router``: where a direction is impaired depends on it, see :mod:`shadowlab.shadow.plan`.
    """
    part_ns = {part: int(budget_ns * share) for part, share in _SHARES.items()}
    reasons: dict[str, str] = {}
    transit_ns = round(wish.delay_ns + spread_ns(wish) + wire_ns(wish, small_bytes(wish)))
    probes, gap_ns = _plan_probes(wish, transit_ns, part_ns["delay"], reasons)
    loss_packets, batch, loss_gap_ns = _plan_loss(wish, transit_ns, part_ns["loss"], reasons)
    train_packets, train_bytes, window = _plan_train(wish, transit_ns, part_ns["train"], reasons)
    burst_packets, burst_bytes, room = _plan_burst(wish, transit_ns, part_ns["burst"], reasons)
    return Trial(
        direction=direction,
        sender=sender,
        receiver=receiver,
        serialised=not wish.split or (leaves_router and not wish.shape.reordering),
        transit_ns=transit_ns,
        probes=probes,
        probe_gap_ns=gap_ns,
        loss_packets=loss_packets,
        loss_batch=batch,
        loss_gap_ns=loss_gap_ns,
        train_packets=train_packets,
        train_bytes=train_bytes,
        train_window=window,
        train_start=max(1, _buffer_packets(wish, train_bytes) // 2) if _is_apart(wish) else window,
        train_gap_ns=round(wire_ns(wish, train_bytes)),
        train_drain_ns=round(wire_ns(wish, train_bytes) * window),
        small_bytes=small_bytes(wish),
        burst_packets=burst_packets,
        burst_bytes=burst_bytes,
        burst_room=room,
        burst_hold_ns=wish.delay_ns if _is_apart(wish) else 0,
        burst_drain_ns=round(wire_ns(wish, burst_bytes) * room),
        part_ns=max(part_ns.values()),
        reasons=tuple(sorted(reasons.items())),
    )


def _is_apart(wish: Impairment) -> bool:
    """Whether the buffer counts only what waits, not what is in flight."""
    return wish.split or wish.netems > 1


def _too_long(needed_ns: float) -> str:
    return f"it takes {needed_ns / 1e9:.3g} s and more, which is longer than there is time"


def _plan_probes(wish: Impairment, transit_ns: int, time_ns: int, reasons: dict[str, str]) -> tuple[int, int]:
    gap_ns = max(_DELAY_GAP_NS, _DELAY_GAP_JITTERS * wish.jitter_ns, round(2 * wire_ns(wish, small_bytes(wish))))
    wanted = _JITTERED_PROBES if wish.jitter_ns else _DELAY_PROBES
    probes = min(wanted, (time_ns - transit_ns) // gap_ns)
    if probes < 1:
        reasons["delay"] = _too_long(transit_ns + gap_ns)
        return 0, gap_ns
    return probes, gap_ns


def _plan_loss(wish: Impairment, transit_ns: int, time_ns: int, reasons: dict[str, str]) -> tuple[int, int, int]:
    """Packets, batch, nanoseconds from batch to batch."""
    share = wish.mean_loss
    wanted = _LOSSLESS_PACKETS
    if share:
        wanted = round(min(_LOSSES_WANTED * burstiness(wish) / share, _MOST_LOSS_PACKETS))
    each_ns = max(_LOSS_GAP_NS, 1.25 * wire_ns(wish, small_bytes(wish)))
    batch = _MOST_BATCH
    if wish.rate_bps is not None:
        batch = min(batch, max(1, _buffer_packets(wish, small_bytes(wish)) // 4))
        if not _is_apart(wish):  # the limit of a netem by itself counts those in flight, too
            each_ns = max(each_ns, 2 * transit_ns / max(1, wish.limit_packets() - batch))
    packets = min(wanted, int((time_ns - transit_ns) / each_ns))
    if packets < 1:
        reasons["loss"] = _too_long(transit_ns + each_ns)
        return 0, 1, 0
    return packets, batch, round(batch * each_ns)


def _plan_train(wish: Impairment, transit_ns: int, time_ns: int, reasons: dict[str, str]) -> tuple[int, int, int]:
    """Packets, payload of each, how many are on their way at once."""
    full = wish.mtu - IP_HEADER_BYTES
    if wish.rate_bps is None:
        if transit_ns > time_ns:
            reasons["rate"] = _too_long(transit_ns)
            return 0, full, 1
        return _UNLIMITED_TRAIN, full, _UNLIMITED_TRAIN
    for payload in (full, small_bytes(wish)):
        each_ns = wire_ns(wish, payload)
        longest_ns = min(time_ns - transit_ns, _TRAIN_NS)
        packets = min(max(int(longest_ns / each_ns), _TRAIN_LEAST), _TRAIN_MOST)
        in_flight = int((wish.delay_ns + spread_ns(wish)) / each_ns) + 2
        window = in_flight + _buffer_packets(wish, payload) // 2
        apart = _is_apart(wish)
        fits = apart or in_flight <= wish.limit_packets()
        if fits and packets * each_ns + transit_ns <= time_ns:
            return packets, payload, window if apart else min(window, wish.limit_packets())
    reasons["rate"] = _too_long(_TRAIN_LEAST * wire_ns(wish, small_bytes(wish)) + transit_ns)
    return 0, full, 1


def _plan_burst(wish: Impairment, transit_ns: int, time_ns: int, reasons: dict[str, str]) -> tuple[int, int, int]:
    """Packets, payload of each, how many should survive."""
    full = wish.mtu - IP_HEADER_BYTES
    if wish.rate_bps is None:
        return 0, full, 0  # nothing ever waits
    if wish.queue is not None and not isinstance(wish.queue, Fifo):
        reasons["queue"] = f"{wish.queue.kind} drops by its own rule, not by a limit alone; its settings are read back"
        return 0, full, 0
    for payload in (full, small_bytes(wish)):
        if wish.split:
            room = _buffer_packets(wish, payload)
        else:  # and the one that is being sent
            room = wish.queue_packets + 1 if _is_apart(wish) else wish.limit_packets()
        packets = _overfilling(wish, room)
        if room * wire_ns(wish, payload) + transit_ns <= time_ns and packets <= _BURST_MOST:
            return packets, payload, room
    if packets > _BURST_MOST:
        reasons["queue"] = f"it holds {room} packets, more than the {_BURST_MOST} that are sent at most"
    else:
        reasons["queue"] = _too_long(room * wire_ns(wish, small_bytes(wish)) + transit_ns)
    return 0, full, 0


def _overfilling(wish: Impairment, room: int) -> int:
    """So many that the buffer overflows though some are lost on the way into it, and in bursts."""
    kept = max(1 - wish.mean_loss, 0.01)
    scatter = 4 * math.sqrt(burstiness(wish) * room * wish.mean_loss / kept)
    return round((room + max(10, room // 10) + scatter) / kept)


def _buffer_packets(wish: Impairment, payload_bytes: int) -> int:
    """How many packets may wait, beyond those in flight; few where a discipline drops by its own rule."""
    if wish.queue is None:
        return wish.queue_packets
    if isinstance(wish.queue, Fifo):
        if wish.queue.packets is not None:
            return wish.queue.packets
        return max(1, (wish.queue.bytes or 0) // (payload_bytes + HEADER_BYTES))
    return 4
