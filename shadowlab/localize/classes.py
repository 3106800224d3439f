"""Which components the flows cannot tell apart, and what could.

In: observations.  Out: a class per component; whether some path would split two of them.  Never: a class told apart by
the name of a member.

Two components are of one class if every flow crosses both with the same probability.  Where ways are known these are
the components crossed by exactly the same flows; where they are not, also those between which routers choose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shadowlab.localize.observations import Array, Component, Indices, Observations

UNSEEN = -1


def classes(seen: Observations) -> Indices:
    """The class of each component, numbered from 0 on; UNSEEN for one that no packet crossed."""
    used = np.bincount(seen.way, seen.sent, minlength=len(seen.ways)) > 0
    way, component, share = seen.crossing_shares(used)
    size = len(seen.components)
    rounded = np.round(share, 6)
    marks = [np.bincount(component, _mark(way, salt) * rounded, minlength=size) for salt in (0x9E3779B9, 0x85EBCA6B)]
    crossed = np.bincount(component, minlength=size)
    _, number = np.unique(np.stack([crossed.astype(np.float64), *marks]), axis=1, return_inverse=True)
    result: Indices = np.where(crossed > 0, np.asarray(number).reshape(-1), UNSEEN)
    return result


def _mark(number: Indices, salt: int) -> Array:
    """A whole number below 2**20 for each number, as if drawn: sums of such are exact."""
    mixed = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(29)) ^ np.uint64(salt)) * np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(44)).astype(np.float64)


def split_by(seen: Observations, members: Sequence[int]) -> str:
    """The measurement that would tell the members of a class apart; empty for a class of one."""
    if len(members) < 2:
        return ""
    names = [str(seen.components[one]) for one in members]
    crossing = {one: set(np.flatnonzero(seen.paths.values == one).tolist()) for one in members[:2]}
    owners = seen.paths.owners
    paths = [{int(owners[place]) for place in places} for places in crossing.values()]
    if paths[0] != paths[1]:
        return f"flows whose way is recorded: over {names[0]} and not over {names[1]}"
    whole = next((seen.components[one] for one in members if seen.components[one].kind in ("node", "host")), None)
    if whole is not None and any(seen.components[one].kind == "link" for one in members):
        return f"traffic over the other links of {whole.name}, or the other way"
    between = _shared_end(seen.components, members)
    if between:
        return f"probes that begin or end at {between}, between {names[0]} and {names[1]}"
    return f"traffic led over {names[0]} but not over {names[1]} (a probe by source route, or a drain of one)"


def _shared_end(components: Sequence[Component], members: Sequence[int]) -> str:
    """The node at which two links of a chain meet; empty where there is none."""
    links = [components[one] for one in members if components[one].kind == "link" and components[one].ends]
    for first in links:
        for second in links:
            if first != second and first.ends and second.ends and first.ends[1] == second.ends[0]:
                return first.ends[1]
    return ""
