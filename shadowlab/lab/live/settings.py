"""``key=value`` words into a changed link.

In: words (``delay=3ms``, ``queue.kind=codel``, ``backward.loss=0.1%``, ``state=down``), a link.  Out: the link as it
will be.  Never: a key passed over, a value clipped, a key changed that is not named.

The keys are those of a link on a map, what a mapping holds after a dot, and values are written as on a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydantic

from shadowlab.errors import Fault, InputError
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Direction, Link, Network
from shadowlab.topology.compose import compose
from shadowlab.topology.link_keys.restate import restated
from shadowlab.topology.link_keys.sections import CommonSection, ImpairmentSection
from shadowlab.topology.link_keys.spelling import spelled
from shadowlab.topology.wording import did_you_mean, plain_faults

KEYS = (*ImpairmentSection.model_fields, "metric", "state")
"""Of a link; those of a mapping stand after a dot."""
_WAYS = ("forward", "backward")
_WHOLE = ("state",)
_PLAIN = ("metric", "state")
"""Keys without members that packets never see."""
_FIXED = {
    "ends": "a link with other ends is another link",
    "mtu": "the kernel's routes and addresses hang on it",
    "offload": "it is decided when the kernel makes the link",
}
_MAIN = {
    "jitter": "size",
    "loss": "share",
    "duplicate": "share",
    "corrupt": "share",
    "reorder": "share",
    "queue": "limit",
}
"""What a plain value of a mapping's key stands for."""
_CHOICE = {"queue": "kind", "loss": "model"}
"""The member that decides which others there are."""
_NONE = "none"
_ABSENT = ("slot", "seed")

Path_ = tuple[str, ...]
Settings = Mapping[Path_, Any]


def changed_link(network: Network, name: str, words: Sequence[str], *, towards: str | None) -> Link:
    """The link ``name`` with what ``words`` state; ``towards`` a node: only the direction that leads there.

    Raises InputError for words that no link of a map could hold, each named with its cure.
    """
    link = network.links_by_id.get(name)
    if link is None:
        raise InputError(f"{name} is not a link of the lab{did_you_mean(name, network.links_by_id)}")
    if towards is not None and towards not in (link.a, link.b):
        raise InputError(f"link {name} joins {link.a} and {link.b}; it does not lead towards {towards}")
    stated = _parse(words)
    for key in _WHOLE:
        if towards is not None and (key,) in stated:
            raise InputError(f"a {key} is of the whole link: leave out --towards")
    one_way = next((path[0] for path in stated if path[0] in _WAYS), None)
    if towards is not None and one_way is not None:
        raise InputError(f"{one_way} and --towards both choose a direction: leave one out")
    try:
        link = restated(link, dict(_by_direction(link, stated, towards)), folder=Path())
    except ValueError as error:
        raise InputError(f"link {name}: {error}") from error
    state = stated.get(("state",), "up" if link.up else "down")
    forward, backward = (_metric(link, stated, direction, towards) for direction in link.directions)
    return replace(link, metric=forward, metric_backward=backward if backward != forward else None, up=state == "up")


def _metric(link: Link, stated: Settings, direction: Direction, towards: str | None) -> int:
    """The metric of one direction: what is stated of it alone goes before what is stated of the link."""
    now = link.metric_of(direction)
    if towards not in (None, direction.target):
        return now
    way = _WAYS[link.directions.index(direction)]
    value = stated.get((way, "metric"), stated.get(("metric",), now))
    metric: int = _checked_common({"metric": value})["metric"]
    return metric


# --- words ------------------------------------------------------------------------------------------------------


def _parse(words: Sequence[str]) -> Settings:
    """The value of each key, by its path; ``forward`` or ``backward`` comes first in it."""
    stated: dict[Path_, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"{word!r}: write key=value, like delay=3ms")
        path = tuple(key.strip().split("."))
        _known(key, path[1:] if path[0] in _WAYS else path, one_way=path[0] in _WAYS)
        if path in stated:
            raise InputError(f"{key} is given twice")
        stated[path] = _value(key, text)
    state = stated.get(("state",), "up")
    if state not in ("up", "down"):
        raise InputError(f"state: expected 'up' or 'down', got {state!r}")
    return stated


def _known(key: str, path: Path_, *, one_way: bool) -> None:
    first = path[0] if path else ""
    if first in _FIXED:
        raise InputError(
            f"{first} cannot change while the link lives ({_FIXED[first]}): change the map, and 'shadowlab apply' "
            "makes the link anew"
        )
    if one_way and first in _WHOLE:
        raise InputError(f"a {first} is of the whole link: write {first}=...")
    known = (*ImpairmentSection.model_fields, "metric") if one_way else KEYS
    if first not in known or len(path) > 2 or (len(path) == 2 and first in _PLAIN):
        guess = did_you_mean(first, known)
        raise InputError(
            f"{key!r} cannot be set{guess}; what can be: {', '.join(known)}, and what they hold (queue.kind)"
        )


def _value(key: str, text: str) -> Any:
    if not text.strip():
        raise InputError(f"{key}: a value is missing, like {key}=...")
    try:
        value, _, twice = compose(text, name=key)
    except InputError as error:
        raise InputError(*(_without_place(key, fault) for fault in error.faults)) from error
    if twice:
        raise InputError(*(_without_place(key, fault) for fault in twice))
    return value


def _without_place(key: str, fault: Fault | str) -> str:
    return f"{key}: {fault.message if isinstance(fault, Fault) else fault}"


# --- directions -------------------------------------------------------------------------------------------------


def _by_direction(link: Link, stated: Settings, towards: str | None) -> Iterator[tuple[Direction, dict[str, Any]]]:
    faults: dict[str, None] = {}
    for direction, way in zip(link.directions, _WAYS, strict=True):
        if towards not in (None, direction.target):
            continue
        # What is stated of the direction alone goes before what is stated of the link.
        mine = {path: value for path, value in stated.items() if path[0] not in (*_WAYS, *_PLAIN)}
        mine |= {path[1:]: value for path, value in stated.items() if path[0] == way and path[1] not in _PLAIN}
        if not mine:
            continue
        keys, wrong = _merged(link.impairment(direction), mine)
        faults |= dict.fromkeys(wrong)
        if not wrong:
            yield direction, keys
    if faults:
        raise InputError(*faults)


def _merged(now: Impairment, stated: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The keys that are stated, each whole and checked; and what is wrong with them."""
    present = spelled(now)
    touched = dict.fromkeys(path[0] for path in stated)
    data: dict[str, Any] = {}
    for key in touched:
        members = {path[1]: value for path, value in stated.items() if path[0] == key and len(path) == 2}
        if (key,) not in stated:
            data[key] = _with_members(key, _mapping(key, present.get(key)), members)
        elif not members:
            data[key] = stated[key,]
        elif isinstance(stated[key,], dict):
            data[key] = stated[key,] | members
        else:  # a plain value beside members of the mapping: it is the main one
            plain = {_MAIN[key]: stated[key,]} if key in _MAIN else {}
            model = {"model": "single"} if key == "loss" else {}
            data[key] = _with_members(key, _mapping(key, present.get(key)), model | plain | members)
    absent = {key: None for key in _ABSENT if data.get(key) == _NONE}
    data = {key: value for key, value in data.items() if key not in absent}
    try:
        section = ImpairmentSection.model_validate(data)
    except pydantic.ValidationError as error:
        return {}, tuple(sentence for _, sentence, _ in plain_faults(error, ImpairmentSection, data))
    return section.stated() | absent, ()


def _mapping(key: str, present: Any) -> dict[str, Any]:
    """What a key holds now, as a mapping."""
    if isinstance(present, dict):
        return present
    if key == "queue":
        return {"kind": "pfifo", "limit": present}
    return {_MAIN[key]: present} if key in _MAIN else {}


def _with_members(key: str, present: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with some members stated anew.  What belonged to another kind or model is forgotten."""
    choice = _CHOICE.get(key)
    if choice is not None and choice in members and members[choice] != present.get(choice, "single"):
        present = {"ecn": present["ecn"]} if key == "loss" and "ecn" in present else {}
    if key == "jitter" and ("samples" in members or "file" in members):
        kept = ("mode", "correlation")
        present = {name: value for name, value in present.items() if name in kept} | {"distribution": "empirical"}
    return {**present, **members}


def _checked_common(data: dict[str, Any]) -> dict[str, Any]:
    try:
        stated: dict[str, Any] = CommonSection.model_validate(data).stated()
    except pydantic.ValidationError as error:
        raise InputError(*(sentence for _, sentence, _ in plain_faults(error, CommonSection, data))) from error
    return stated
