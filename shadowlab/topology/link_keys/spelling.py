"""An impairment in the words of a map.

In: an impairment.  Out: plain data that, read as a map's link section, amounts to the same impairment.
Never: a value rounded for reading.  The table of an empirical distribution has no words; see
:func:`~shadowlab.topology.link_keys.restate.restated`.
"""

from __future__ import annotations

from typing import Any

from shadowlab.model.impairment import Framing, Impairment, Slot
from shadowlab.model.loss import Chance, FourState, GilbertElliott, Reorder
from shadowlab.model.queue import Cake, Codel, Fifo, Pie, Queue, Red
from shadowlab.model.units import exact_duration, exact_rate
from shadowlab.topology.quantities import UNLIMITED


def spelled(one: Impairment) -> dict[str, Any]:
    """Every key of an :class:`~shadowlab.topology.link_keys.sections.ImpairmentSection` that ``one`` has a word for."""
    words: dict[str, Any] = {
        "delay": exact_duration(one.delay_ns),
        "jitter": _jitter(one),
        "loss": _loss(one),
        "duplicate": _chance(one.duplicate),
        "corrupt": _chance(one.corrupt),
        "reorder": _chance(one.reorder),
        "rate": UNLIMITED if one.rate_bps is None else exact_rate(one.rate_bps),
        "framing": _framing(one.framing),
        "queue": one.queue_packets if one.queue is None else _queue(one.queue),
    }
    words |= {"slot": _slot(one.slot)} if one.slot is not None else {}
    return words | ({"seed": one.seed} if one.seed is not None else {})


def _size(value_bytes: int) -> str:
    return f"{value_bytes} B"


def _jitter(one: Impairment) -> Any:
    shape = one.jitter_shape
    if shape is None:
        return exact_duration(one.jitter_ns)
    mode = "reordering" if shape.reordering else "ordered"
    return {
        "size": exact_duration(one.jitter_ns),
        "mode": mode,
        "distribution": shape.distribution,
        "correlation": shape.correlation,
    }


def _loss(one: Impairment) -> Any:
    match one.loss_model:
        case GilbertElliott(p=p, r=r, bad=bad, good=good):
            stated: dict[str, Any] = {"model": "gilbert-elliott", "p": p, "r": r, "bad": bad, "good": good}
        case FourState() as model:
            names = ("p13", "p31", "p32", "p23", "p14")
            stated = {"model": "four-state"} | {name: getattr(model, name) for name in names}
        case _ if one.loss_correlation or one.ecn:
            stated = {"share": one.loss, "correlation": one.loss_correlation}
        case _:
            return one.loss
    return stated | ({"ecn": True} if one.ecn else {})


def _chance(chance: Chance | None) -> Any:
    if chance is None:
        return 0
    words = {"share": chance.share, "correlation": chance.correlation}
    return words | ({"gap": chance.gap} if isinstance(chance, Reorder) else {})


def _framing(framing: Framing | None) -> Any:
    if framing is None:
        return "ethernet"
    return {
        "packet": framing.packet_bytes,
        "cell": framing.cell_bytes,
        "cell_overhead": framing.cell_overhead_bytes,
    }


def _slot(slot: Slot) -> dict[str, Any]:
    return {
        "least": exact_duration(slot.least_ns),
        "most": exact_duration(slot.most_ns),
        "packets": slot.packets,
        "bytes": _size(slot.bytes),
    }


def _queue(queue: Queue) -> dict[str, Any]:
    words: dict[str, Any] = {"kind": queue.kind}
    match queue:
        case Fifo():
            limit: Any = queue.packets if queue.bytes is None else _size(queue.bytes)
            return words | {"limit": limit}
        case Red():
            sizes = {"limit": queue.limit_bytes, "min": queue.min_bytes, "max": queue.max_bytes}
            words |= {name: _size(size) for name, size in sizes.items()}
            return words | {"probability": queue.probability, "ecn": queue.ecn, "adaptive": queue.adaptive}
        case Codel():
            words |= {"limit": queue.limit_packets, "ecn": queue.ecn}
            return words | {"target": exact_duration(queue.target_ns), "interval": exact_duration(queue.interval_ns)}
        case Pie():
            words |= {"limit": queue.limit_packets, "ecn": queue.ecn, "alpha": queue.alpha, "beta": queue.beta}
            return words | {"target": exact_duration(queue.target_ns), "update": exact_duration(queue.update_ns)}
        case Cake():
            # Without a limit of its own CAKE chooses one; a stated zero means the same.
            words |= {"limit": _size(queue.memory_bytes)} if queue.memory_bytes else {}
            return words | {"rtt": exact_duration(queue.rtt_ns), "flows": queue.flows, "priorities": queue.priorities}
