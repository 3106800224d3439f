"""A file of observations as arrays, and what its routing state shows by itself.

In: a path.  Out: observations; findings that need no statistics: ways that end early, ways that go round.  Never: a
flow on such a way counted for or against the links it crossed: what becomes of its packets is known.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shadowlab.errors import InputError
from shadowlab.localize.file.flows import Columns, read_columns
from shadowlab.localize.file.network import Wiring
from shadowlab.localize.findings import Found
from shadowlab.localize.observations import Array, Component, Indices, Kind, Lists, Observations

MS = 1e6


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a file holds.  ``routing`` are the faults that the ways themselves show."""

    seen: Observations
    routing: tuple[Found, ...]


def read_observations(path: Path) -> Read:
    """Raises InputError with the line of what is wrong."""
    columns = read_columns(path)
    nodes = _ints(columns.path_nodes)
    lengths = _ints(columns.path_lengths)
    starts = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    links = _links(columns, nodes, owner, str(path))
    way = _ints(columns.way)
    target_of_way = np.zeros(len(columns.ways), dtype=np.int64)
    target_of_way[way] = _ints(columns.target)
    round_trip = np.array([_is_round_trip(key) for key in columns.ways], dtype=bool)
    path_way = np.repeat(np.arange(len(columns.ways)), _ints(columns.way_paths))
    looped = _loops(nodes, owner, len(lengths)) & ~round_trip[path_way]
    dark = (nodes[starts[1:] - 1] != target_of_way[path_way]) & ~round_trip[path_way] & ~looped
    broken = looped | dark
    routing = _routing(columns, nodes, starts, path_way, way, looped, dark)
    components, own_links = _components(columns)
    paths = _crossed(columns.wiring, nodes, owner, links, len(lengths), own_links)
    shares = _floats(columns.path_shares)
    whole = np.bincount(path_way[~broken], shares[~broken], minlength=len(columns.ways))
    kept = np.flatnonzero(~broken)
    if len(kept) < len(lengths):
        chosen, place = paths.take(kept)
        counts = np.bincount(place, minlength=len(kept))
        paths = Lists(starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64), values=chosen)
    sound = whole > 0
    renumbered = np.cumsum(sound) - 1
    ways = Lists(
        starts=np.concatenate(
            ([0], np.cumsum(np.bincount(renumbered[path_way[kept]], minlength=int(sound.sum()))))
        ).astype(np.int64),
        values=np.arange(len(kept)),
    )
    flows = np.flatnonzero(sound[way])
    return Read(
        seen=_observations(columns, components, paths, ways, (shares / np.maximum(whole[path_way], 1e-300))[kept],
                           renumbered[way[flows]], flows),
        routing=routing,
    )  # fmt: skip


def _observations(
    columns: Columns, components: tuple[Component, ...], paths: Lists, ways: Lists, shares: Array, way: Indices,
    flows: Indices,
) -> Observations:  # fmt: skip
    total = len(columns.sent)

    def number(key: str) -> Array:
        column = columns.numbers[key]
        return np.concatenate([_floats(column), np.full(total - len(column), np.nan)])[flows]

    noise = number("rtt_noise_ms") * MS
    wanted, got = number("wanted_mbps"), number("rate_mbps")
    with np.errstate(divide="ignore", invalid="ignore"):
        shortfall = np.where(wanted > 0, np.maximum(np.log(wanted / np.maximum(got, 1e-6 * wanted)), 0.0), np.nan)
    labels = {
        name: (tuple(values), np.concatenate([_ints(codes), np.full(total - len(codes), -1)])[flows])
        for name, (values, codes) in columns.labels.items()
    }
    return Observations(
        components=components,
        paths=paths,
        ways=ways,
        shares=shares,
        way=way,
        sent=_floats(columns.sent)[flows],
        bad=_floats(columns.bad)[flows],
        excess_ns=(number("rtt_ms") - number("base_rtt_ms")) * MS,
        noise_ns=np.where(np.isfinite(noise), noise, 0.0),
        shortfall=shortfall,
        utilisation=_utilisation(columns, components, paths, ways, shares, way, got),
        labels=labels,
    )


def _utilisation(
    columns: Columns, components: tuple[Component, ...], paths: Lists, ways: Lists, shares: Array, way: Indices,
    rate: Array,
) -> Array:  # fmt: skip
    """As stated; else the flows' rates over the link's capacity, where both are known."""
    stated, capacity = np.array(columns.wiring.utilisation), np.array(columns.wiring.capacity_mbps)
    result = np.full(len(components), np.nan)
    links = len(stated)
    if np.isfinite(capacity).any() and np.isfinite(rate).any():
        per_way = np.bincount(way, np.nan_to_num(rate), minlength=len(ways))
        load = np.bincount(paths.values, (per_way[ways.owners] * shares)[paths.owners], minlength=len(components))
        with np.errstate(divide="ignore", invalid="ignore"):
            result[:links] = np.where(capacity > 0, load[:links] / capacity, np.nan)
    result[:links] = np.where(np.isfinite(stated), stated, result[:links])
    return result


def _components(columns: Columns) -> tuple[tuple[Component, ...], list[tuple[int, ...]]]:
    """Links, then nodes, then groups; and the links of each group.  A node at which flows end is a host, unless others
    pass through it."""
    wiring = columns.wiring
    nodes = wiring.nodes
    ends = set(columns.source) | set(columns.target)
    transit = _transit(columns)
    of: dict[int, list[str]] = {}
    found = []
    for name, a, b in wiring.links:
        found.append(Component(kind="link", name=name, links=(name,), ends=(nodes[a], nodes[b])))
        of.setdefault(a, []).append(name)
        of.setdefault(b, []).append(name)
    for number, name in enumerate(nodes):
        kind: Kind = "host" if number in ends and number not in transit else "node"
        found.append(Component(kind=kind, name=name, links=tuple(of.get(number, ()))))
    for name, members in wiring.groups:
        found.append(Component(kind="group", name=name, links=tuple(wiring.links[one][0] for one in members)))
    return tuple(found), [members for _, members in wiring.groups]


def _transit(columns: Columns) -> set[int]:
    nodes, lengths = _ints(columns.path_nodes), _ints(columns.path_lengths)
    inner = np.ones(len(nodes), dtype=bool)
    stops = np.cumsum(lengths)
    inner[stops - 1] = False
    inner[stops - lengths] = False
    round_trip = np.array([_is_round_trip(key) for key in columns.ways], dtype=bool)
    if round_trip.any():  # of a round trip the middle is an end
        inner[np.repeat(round_trip[np.repeat(np.arange(len(round_trip)), _ints(columns.way_paths))], lengths)] = False
    return set(np.unique(nodes[inner]).tolist())


def _is_round_trip(key: object) -> bool:
    return isinstance(key, tuple) and len(key) == 2 and key[1] is True


def _links(columns: Columns, nodes: Indices, owner: Indices, name: str) -> Indices:
    """For each node of a path but its last the link to the next, else −1."""
    size = len(columns.wiring.nodes)
    key = np.array([a * size + b for _, a, b in columns.wiring.links], dtype=np.int64)
    order = np.argsort(key)
    step = np.flatnonzero(owner[:-1] == owner[1:])
    wanted = nodes[step] * size + nodes[step + 1]
    at = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    missing = np.flatnonzero(key[order][at] != wanted)
    if len(missing):
        one = int(missing[0])
        a, b = (columns.wiring.nodes[int(nodes[step[one] + turn])] for turn in (0, 1))
        line = columns.path_lines[int(owner[step[one]])]
        raise InputError(f"{name}, line {line}: a path goes from {a!r} to {b!r}, and no link of the network does")
    result = np.full(len(nodes), -1)
    result[step] = order[at]
    return result


def _crossed(
    wiring: Wiring, nodes: Indices, owner: Indices, links: Indices, paths: int, groups: list[tuple[int, ...]]
) -> Lists:
    """The components of each path: its links, its nodes, the groups of its links; each once."""
    number = len(wiring.links)
    lengths = np.bincount(owner, minlength=paths)
    starts = np.cumsum(lengths) - lengths
    there = links >= 0
    if not groups and not _loops(nodes, owner, paths).any():
        # Nothing comes twice: nodes and links have their places, which spares a sort.
        first = 2 * starts - np.arange(paths)
        within = np.arange(len(nodes)) - starts[owner]
        values = np.zeros(len(nodes) + int(there.sum()), dtype=np.int64)
        values[first[owner] + within] = nodes + number
        values[(first + lengths)[owner[there]] + within[there]] = links[there]
        return Lists(starts=np.concatenate((first, [len(values)])).astype(np.int64), values=values)
    path, component = [owner[there], owner], [links[there], nodes + number]
    base = number + len(wiring.nodes)
    for place, members in enumerate(groups):
        hit = np.unique(owner[there & np.isin(links, np.array(members, dtype=np.int64))])
        path.append(hit)
        component.append(np.full(len(hit), base + place))
    size = base + len(groups)
    key = np.unique(np.concatenate(path) * size + np.concatenate(component))
    counts = np.bincount(key // size, minlength=paths)
    return Lists(starts=np.concatenate(([0], np.cumsum(counts))).astype(np.int64), values=key % size)


def _loops(nodes: Indices, owner: Indices, paths: int) -> NDArray[np.bool_]:
    """The paths that come by a node twice."""
    size = int(nodes.max(initial=0)) + 1
    key = np.sort(owner * size + nodes)
    result = np.zeros(paths, dtype=bool)
    result[key[1:][key[1:] == key[:-1]] // size] = True
    return result


def _routing(
    columns: Columns, nodes: Indices, starts: Indices, path_way: Indices, way: Indices,
    looped: NDArray[np.bool_], dark: NDArray[np.bool_],
) -> tuple[Found, ...]:  # fmt: skip
    """What the ways show: the node at which packets end, or go round."""
    names = columns.wiring.nodes
    flows_of = np.bincount(way, minlength=len(columns.ways))
    sent = np.bincount(way, _floats(columns.sent), minlength=len(columns.ways))
    bad = np.bincount(way, _floats(columns.bad), minlength=len(columns.ways))
    found: dict[tuple[str, str], list[int]] = {}
    for path in np.flatnonzero(looped | dark).tolist():
        own = nodes[starts[path] : starts[path + 1]].tolist()
        at = own[-1]
        if looped[path]:
            at = next(node for place, node in enumerate(own) if node in own[:place])
        found.setdefault((names[at], "loop" if looped[path] else "black hole"), []).append(path)
    result = []
    for (node, fault), paths in sorted(found.items()):
        ways = np.unique(path_way[paths])
        own = nodes[starts[paths[0]] : starts[paths[0] + 1]].tolist()
        result.append(
            Found(
                components=(Component(kind="node", name=node),),
                fault="loop" if fault == "loop" else "black hole",
                posterior=1.0,
                score=float("inf"),
                loss=1.0,
                loss_interval=(1.0, 1.0),
                flows=int(flows_of[ways].sum()),
                flows_bad=int(flows_of[ways].sum()),
                packets=float(sent[ways].sum()),
                packets_bad=float(bad[ways].sum()),
                where=" ".join(names[one] for one in own),
            )
        )
    return tuple(result)


def _ints(values: array[int]) -> Indices:
    return np.frombuffer(values, dtype=np.int64).copy() if len(values) else np.zeros(0, dtype=np.int64)


def _floats(values: array[float]) -> Array:
    return np.frombuffer(values, dtype=np.float64).copy() if len(values) else np.zeros(0)
