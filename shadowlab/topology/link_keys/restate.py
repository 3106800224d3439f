"""A link of which something is stated anew, while all the rest stays.

In: a link as it is, and for each of its directions the keys that are stated anew, checked by the sections of a map.
Out: the link as it then is.  Never: a key that was not stated changed with one that was.

A plain number for a key that holds a mapping states its main member: the ``size`` of jitter, the ``share`` of a
chance, the ``limit`` of a queue in packets, whatever its kind.  A plain loss is one of single losses: it ends a loss
model.  A mapping states its key whole, as on a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from shadowlab.model.impairment import Impairment
from shadowlab.model.loss import Chance, Reorder
from shadowlab.model.network import Direction, Link
from shadowlab.topology.link_keys.build import Way, impairment, with_measured_delay
from shadowlab.topology.link_keys.samples import Measured
from shadowlab.topology.link_keys.sections import ImpairmentSection, JitterSection
from shadowlab.topology.link_keys.spelling import spelled


def restated(link: Link, stated: Mapping[Direction, Way], *, folder: Path) -> Link:
    """The link with what is stated of its directions.  ``folder`` is where files of samples lie that a jitter names.

    Raises ValueError for what contradicts itself, or what stays, or what no kernel can hold.
    """
    ways = {
        direction: _way(link.impairment(direction), stated.get(direction, {}), folder) for direction in link.directions
    }
    rtt_ns = sum(way["delay"] for way in ways.values())
    for direction, way in ways.items():
        if stated.get(direction):
            now = link.impairment(direction)
            one = impairment(way, rtt_ns=rtt_ns, tell=_silent)
            # What a discipline makes of the plain buffer is nobody's business: it must not look like a change.
            kept = replace(one, queue_packets=now.queue_packets) if one.queue and one.queue == now.queue else one
            link = link.with_impairment(direction, kept)
    return link


def _way(now: Impairment, stated: Way, folder: Path) -> Way:
    whole = {key: value for key, value in stated.items() if isinstance(value, BaseModel) or key not in _PLAIN}
    for key, value in stated.items():
        if key not in whole:
            now = _PLAIN[key](now, value)
    way = {**ImpairmentSection.model_validate(spelled(now)).stated(), "mtu": now.mtu, **whole}
    jitter = way["jitter"]
    empirical = isinstance(jitter, JitterSection) and jitter.distribution == "empirical"
    if empirical and not (jitter.samples or jitter.file) and now.shape.distribution == "empirical":
        return {**way, "measured": Measured(now.delay_ns, now.jitter_ns, now.shape)}
    return with_measured_delay(_freed(way, stated), folder, _silent)


def _freed(way: Way, stated: Way) -> Way:
    """Samples of the delay say what it is, unless it is stated beside them."""
    jitter = way["jitter"]
    measured = isinstance(jitter, JitterSection) and (jitter.samples or jitter.file)
    return {key: value for key, value in way.items() if key != "delay" or "delay" in stated or not measured}


def _silent(_value: str, _origin: str) -> None:
    """What was derived shows in the operations that follow."""


def _with_reorder(now: Impairment, share: float) -> Impairment:
    return replace(now, reorder=replace(now.reorder or Reorder(), share=share) if share or now.reorder else None)


def _chance(now: Chance | None, share: float) -> Chance | None:
    return replace(now or Chance(), share=share) if share or now else None


_PLAIN = {
    "jitter": lambda now, value: replace(now, jitter_ns=value),
    "loss": Impairment.with_loss,
    "queue": Impairment.with_queue_packets,
    "duplicate": lambda now, value: replace(now, duplicate=_chance(now.duplicate, value)),
    "corrupt": lambda now, value: replace(now, corrupt=_chance(now.corrupt, value)),
    "reorder": _with_reorder,
}
