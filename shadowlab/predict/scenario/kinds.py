"""Every kind of what-if scenario, and how scenarios of a variant come together.

In: scenarios as plain mappings (``{"growth": 1.5, "service": "pages"}``), a situation.  Out: the situation with all of
them applied, whatever the order they were written in; or ValueError that names the scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from shadowlab.predict.scenario.burst import BURST
from shadowlab.predict.scenario.demand import CC_CHANGE, GROWTH
from shadowlab.predict.scenario.failures import DRAIN, FAIL
from shadowlab.predict.scenario.form import Form, Kind
from shadowlab.predict.scenario.happenings import TIMELINE
from shadowlab.predict.scenario.instances import HOST_LIMIT, MIGRATE, SCALE_IN, SCALE_OUT
from shadowlab.predict.scenario.links import DEGRADE, LATENCY_SHIFT, NEW_LINK, QUEUE_CHANGE, REROUTE, UPGRADE
from shadowlab.predict.scenario.situation import Situation
from shadowlab.topology.wording import did_you_mean, plain_faults

KINDS: Mapping[str, Kind] = {
    one.name: one
    for one in (
        GROWTH,
        SCALE_OUT,
        SCALE_IN,
        FAIL,
        DRAIN,
        DEGRADE,
        MIGRATE,
        NEW_LINK,
        UPGRADE,
        REROUTE,
        CC_CHANGE,
        QUEUE_CHANGE,
        BURST,
        HOST_LIMIT,
        LATENCY_SHIFT,
        TIMELINE,
    )
}
Stated = Mapping[str, Any]


def kind_of(stated: Stated) -> Kind:
    """The kind that one of the keys names.  Raises ValueError unless exactly one does."""
    found = [KINDS[key] for key in stated if key in KINDS]
    if len(found) == 1:
        return found[0]
    # `queue`, `upgrade` and the like may be both: the first key decides.
    first = next(iter(stated), "")
    if first in KINDS:
        return KINDS[first]
    guess = did_you_mean(str(first), KINDS) or f"; there are {', '.join(KINDS)}"
    raise ValueError(f"{first!r} is no kind of scenario{guess}")


def written(stated: Stated) -> str:
    """The scenario in one line, as the command line takes it."""
    return ",".join(f"{key}={_plain(value)}" for key, value in stated.items())


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{len(value)} events]" if any(isinstance(one, Mapping) for one in value) else "+".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(stated: Stated) -> Form:
    """The checked form.  Raises ValueError with every fault."""
    kind, data = kind_of(stated), dict(stated)
    try:
        return kind.form.model_validate(data)
    except pydantic.ValidationError as error:
        faults = "; ".join(words for _, words, _ in plain_faults(error, kind.form, data))
        raise ValueError(f"{written(stated)}: {faults}") from None


def applied(scenarios: Sequence[Stated], situation: Situation) -> Situation:
    """All of them, each kind at its own stage: what adds before what changes before what removes."""
    once: dict[str, str] = {}
    for one in scenarios:
        same = _same(one)
        if same in once:
            raise ValueError(f"{written(one)} and {once[same]}: the two contradict each other")
        once[same] = written(one)
    for stated in sorted(scenarios, key=lambda one: kind_of(one).stage):
        kind, form = kind_of(stated), read(stated)
        try:
            situation = kind.apply(form, situation, written(stated))
        except ValueError as error:
            raise ValueError(f"{written(stated)}: {error}") from error
    return situation


def _same(stated: Stated) -> str:
    """What two scenarios of one variant must not both be: two growths of all demand, two upgrades of one link, …"""
    kind = kind_of(stated)
    if kind is GROWTH or kind is CC_CHANGE:
        some = {key: str(value) for key, value in stated.items() if key != kind.name}
        return f"{kind.name} of {sorted(some.items())}"
    if kind is TIMELINE:
        return kind.name
    more = str(stated.get("on", "")) + str(stated.get("towards", "")) + str(stated.get("begin", ""))
    return f"{kind.name} {stated[kind.name]} {more}" + (
        str(sorted(stated)) if kind is REROUTE or kind is DEGRADE else ""
    )
