"""What is summed up where there are too many flows for a cycle.

In: flows, the paths that are suspected.  Out: fewer flows with the same demand on every path, and what was merged.

Paced flows of one pair of instances and one service become one whose rate is the sum.  What wants all it can get stays
as it is: five greedy connections share a link otherwise than one does.  Flows on suspected paths stay as they are, and
so do those whose socket settings differ, which would be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from shadowlab.model.flow import FlowSpec


class Merged(NamedTuple):
    """``members``: by the id of a merged flow, those it stands for."""

    flows: tuple[FlowSpec, ...]
    members: dict[str, tuple[str, ...]]


def merged(flows: Sequence[FlowSpec], *, above: int, suspected: Collection[str] = ()) -> Merged:
    """All flows if there are no more than ``above``.  ``suspected`` are names of paths."""
    if len(flows) <= above:
        return Merged(tuple(flows), {})
    alike: dict[object, list[FlowSpec]] = {}
    order: list[object] = []
    for one in flows:
        key: object = one.id
        if one.flow_class == "paced" and one.size_bytes is None and f"{one.source}→{one.target}" not in suspected:
            key = (one.source, one.target, one.service, repr(one.tcp), one.ipv6)
        if key not in alike:
            order.append(key)
        alike.setdefault(key, []).append(one)
    found, members = [], {}
    for key in order:
        some = alike[key]
        if len(some) == 1:
            found.append(some[0])
            continue
        whole = replace(
            some[0],
            rate_bps=sum(one.rate_bps or 0 for one in some),
            pattern=(),
            start_ns=min(one.start_ns for one in some),
            evidence=f"{len(some)} connections of {some[0].service or 'one service'} summed up",
        )
        found.append(whole)
        members[whole.id] = tuple(one.id for one in some)
    return Merged(tuple(found), members)
