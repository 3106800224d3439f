"""One direction of a link as up to three netems in a row on one device, which together are a wire.

In: an impairment, or the netems that a kernel holds.  Out: the other.  Never: a socket.

netem's limit counts whatever it holds.  In one netem these are packets that wait out their delay and packets that wait
for the wire, so its buffer is exact only for a stream of full frames.  A packet that has waited out its delay is handed
to the netem below, if there is one, and that makes a buffer of its own possible::

    root 1: the line     delay, jitter, packets sent ahead; as good as unlimited
     └─ 33: the wire     rate and buffer: what it holds waits, but for the one packet that is being sent
         └─ 34: chance   losses, corruption: they have taken their time on the wire

That the delay comes first changes no departure.  A single netem with a rate counts on from the packet before:
t(i) = max(t(i-1), arrival + delay) + length/rate, and these three compute the same.  What differs is which packets
find room, and that one which is lost has been sent first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shadowlab.model.impairment import Impairment
from shadowlab.model.jitter import JitterShape
from shadowlab.wire.netem import KEEP_ORDER_RATE, MAX_U32, Netem, impairment_of, netem_of

_NOTHING = Impairment()


def depth_of(impairment: Impairment, there: int) -> int:
    """How many netems are to be on a device that has ``there`` of them (0: none).  One that is there stays, for it may
    hold packets; only what a netem must do alone ends them."""
    alone = impairment.slot is not None or (impairment.duplicate is not None and impairment.duplicate.share)
    return 1 if alone else max(impairment.netems, there)


def netems_of(impairment: Impairment, depth: int) -> tuple[Netem, ...]:
    """What to ask of each of ``depth`` netems, from the root down.  Raises ValueError for what they cannot express."""
    whole = netem_of(impairment)
    if depth == 1:
        return (whole,)
    seed = impairment.seed
    if seed is not None and depth > 2:  # from the same seed losses and jitter would be the same numbers
        seed = (seed + 1) % (1 << 64)
    line = replace(
        _NOTHING,
        delay_ns=impairment.delay_ns,
        jitter_ns=impairment.jitter_ns,
        jitter_shape=impairment.jitter_shape,
        reorder=impairment.reorder,
        seed=seed,
    )
    wire = replace(
        _NOTHING,
        rate_bps=impairment.rate_bps,
        queue_packets=impairment.queue_packets,
        framing=impairment.framing,
        mtu=impairment.mtu,
    )
    chance = replace(
        _NOTHING,
        loss=impairment.loss,
        loss_correlation=impairment.loss_correlation,
        loss_model=impairment.loss_model,
        corrupt=impairment.corrupt,
        ecn=impairment.ecn,
        seed=impairment.seed,
    )
    room = min(impairment.delay_line(serialise=False).queue_packets + impairment.queue_packets, MAX_U32)
    overtaking = impairment.shape.reordering and impairment.jitter_ns > 0
    rate = 0 if overtaking else KEEP_ORDER_RATE  # else a delay that shrinks would let packets overtake
    line_netem = netem_of(line)._replace(limit=room, rate=rate)
    wire_netem = netem_of(wire)
    if not wire_netem.rate:
        wire_netem = wire_netem._replace(rate=KEEP_ORDER_RATE)
    return (line_netem, wire_netem, netem_of(chance))[:depth]


def impairment_of_netems(netems: Sequence[Netem], shape: JitterShape | None = None) -> Impairment:
    """What they mean together, as :func:`~shadowlab.wire.netem.impairment_of` of one."""
    if len(netems) == 1:
        return impairment_of(netems[0], shape)
    line, wire = impairment_of(netems[0], shape), impairment_of(netems[1])
    chance = impairment_of(netems[2]) if len(netems) > 2 else _NOTHING
    joined = replace(
        line,
        seed=chance.seed if len(netems) > 2 else line.seed,
        rate_bps=wire.rate_bps,
        framing=wire.framing,
        loss=chance.loss,
        loss_correlation=chance.loss_correlation,
        loss_model=chance.loss_model,
        corrupt=chance.corrupt,
        ecn=chance.ecn,
    )
    return joined.with_queue_packets(wire.queue_packets)
