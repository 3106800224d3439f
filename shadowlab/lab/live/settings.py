"""``key=value`` words into a changed link.

In: words (``delay=3ms``, ``loss=0.1%``, ``metric=20``), a link.  Out: the link as it will be.
Never: a key passed over, a value clipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pydantic

from shadowlab.errors import InputError
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Link, Network
from shadowlab.topology.native import CommonSection
from shadowlab.topology.wording import did_you_mean, plain_faults

_FIELDS = {
    "delay": "delay_ns",
    "jitter": "jitter_ns",
    "loss": "loss",
    "rate": "rate_bps",
    "queue": "queue_packets",
}
KEYS = (*_FIELDS, "metric")


def changed_link(network: Network, name: str, words: Sequence[str], *, towards: str | None) -> Link:
    """The link ``name`` with what ``words`` state; ``towards`` a node: only the direction that leads there."""
    link = network.links_by_id.get(name)
    if link is None:
        raise InputError(f"{name} is not a link of the lab{did_you_mean(name, network.links_by_id)}")
    if towards is not None and towards not in (link.a, link.b):
        raise InputError(f"link {name} joins {link.a} and {link.b}; it does not lead towards {towards}")
    stated = _parse(words)
    metric = stated.pop("metric", link.metric)
    if towards is not None and metric != link.metric:
        raise InputError("a metric is of the whole link: leave out --towards")
    for direction in link.directions:
        if towards in (None, direction.target):
            link = link.with_impairment(direction, _changed(link.impairment(direction), stated))
    return replace(link, metric=metric)


def _changed(now: Impairment, stated: Mapping[str, Any]) -> Impairment:
    wanted = {_FIELDS[key]: value for key, value in stated.items() if key not in ("loss", "queue")}
    try:
        changed = replace(now, **wanted)
        if "loss" in stated:
            changed = changed.with_loss(stated["loss"])
        if "queue" in stated:
            changed = changed.with_queue_packets(stated["queue"])
        return changed.check()
    except ValueError as error:
        raise InputError(str(error)) from error


def _parse(words: Sequence[str]) -> dict[str, Any]:
    data: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"{word!r}: write key=value, like delay=3ms")
        if key not in KEYS:
            raise InputError(f"{key!r} cannot be set{did_you_mean(key, KEYS)}; what can be: {', '.join(KEYS)}")
        if key in data:
            raise InputError(f"{key} is given twice")
        data[key] = int(value) if value.lstrip("-").isdigit() else value
    try:
        stated: dict[str, Any] = CommonSection.model_validate(data).stated()
    except pydantic.ValidationError as error:
        raise InputError(*(sentence for _, sentence, _ in plain_faults(error, CommonSection, data))) from error
    return stated
