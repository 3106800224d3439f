"""From scenarios as they are written to variants: single points, lists, ranges, every failure there is.

In: text of the command line or mappings of a file, a network.  Out: variants, each a set of plain scenarios with one
value at every place.  Never: more variants than can be meant.

A value may be a list (``1|1.5|2``), a range (``1..3/0.5``: from, to, step), or for ``fail`` and ``drain`` the word
``each``: every link between routers, or with ``of=nodes`` every router, with ``of=groups`` every group; ``k=2`` takes
every pair of them as well.  ``migrate`` with ``copy`` is two variants: while it is copied, and after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import Any

from shadowlab.model.network import Network
from shadowlab.predict.scenario.kinds import KINDS, Stated, kind_of, written

MOST_VARIANTS = 10_000
EACH = "each"
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)(?:/(\d+(?:\.\d+)?))?")
_STEPS = 8
"""Of a range that states no step."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A point of the grid; without a scenario it is the baseline."""

    scenarios: tuple[Stated, ...] = ()

    @property
    def name(self) -> str:
        """What it is called everywhere."""
        return " + ".join(map(written, self.scenarios)) or "baseline"


def read_text(text: str) -> Stated:
    """``growth=1.5,service=pages`` as a mapping.  Raises ValueError."""
    found: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise ValueError(f"{text!r} is not a scenario; write it like {KINDS['growth'].example!r}")
        if key.strip() in found:
            raise ValueError(f"{text!r} states {key.strip()} twice")
        found[key.strip()] = _scalar(value.strip())
    kind_of(found)
    return found


def _scalar(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def expanded(scenarios: Sequence[Stated], network: Network) -> tuple[Variant, ...]:
    """Every combination of the values that stand at each place, in their order.  Raises ValueError."""
    choices = [list(_choices(one, network)) for one in scenarios]
    count = 1
    for some in choices:
        count *= len(some)
    if count > MOST_VARIANTS:
        raise ValueError(f"the grid has {count} variants; at most {MOST_VARIANTS} can be asked at once")
    found = [Variant(scenarios=tuple(one)) for one in product(*choices)]
    return tuple(one for one in found if not _twice(one))


def _twice(variant: Variant) -> bool:
    """Of a drain and every further failure, the one that names what is drained is no variant."""
    away = [str(one[kind]) for one in variant.scenarios for kind in ("fail", "drain") if kind in one]
    names = [name for some in away for name in some.split("+")]
    return len(names) != len(set(names))


def _choices(stated: Stated, network: Network) -> Iterator[Stated]:
    kind = kind_of(stated).name
    if kind in ("fail", "drain") and stated[kind] == EACH:
        rest = {key: value for key, value in stated.items() if key not in (kind, "of", "k")}
        for names in _every(stated, network):
            yield {kind: "+".join(names), **rest}
        return
    if kind == "migrate" and "copy" in stated and "phase" not in stated:
        yield {**stated, "phase": "copy"}
        yield {**stated, "phase": "after"}
        return
    keys = list(stated)
    for values in product(*(_values(stated[key]) for key in keys)):
        yield dict(zip(keys, values, strict=True))


def _every(stated: Stated, network: Network) -> Iterator[tuple[str, ...]]:
    of, most = stated.get("of", "links"), stated.get("k", 1)
    known: Mapping[str, list[str]] = {
        "links": [link.id for link in network.links if not network.is_access(link)],
        "nodes": [node.id for node in network.nodes if node.kind == "router"],
        "groups": list(network.groups),
    }
    if of not in known:
        raise ValueError(f"{written(stated)}: of is one of {', '.join(known)}, got {of!r}")
    if most not in (1, 2):
        raise ValueError(f"{written(stated)}: k is 1 or 2, got {most!r}")
    if not known[of]:
        raise ValueError(f"{written(stated)}: the map has no {'links between routers' if of == 'links' else of}")
    yield from ((name,) for name in known[of])
    if most == 2:
        yield from combinations(known[of], 2)


def _values(value: Any) -> Sequence[Any]:
    if not isinstance(value, str):
        return (value,)
    if "|" in value:
        return [_scalar(one.strip()) for one in value.split("|") if one.strip()]
    match = _RANGE.fullmatch(value)
    if match is None:
        return (value,)
    first, last = Fraction(match[1]), Fraction(match[2])
    step = Fraction(match[3]) if match[3] else (last - first) / _STEPS
    if last <= first or step <= 0:
        raise ValueError(f"{value!r} is no range; write it like 1..3/0.5, from below to above")
    count = int((last - first) / step) + 1
    if count > MOST_VARIANTS:
        raise ValueError(f"{value!r} has {count} points; at most {MOST_VARIANTS} can be asked at once")
    return [float(first + step * number) for number in range(count)]
