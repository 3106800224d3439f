"""What is known of a run before it is judged: its wires, from what it watches.

In: the watched paths and directions.  Out: a network without figures, rows without a verdict.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shadowlab.lab.recorded.folder import RAW_FOLDER
from shadowlab.lab.recorded.watched import Watched
from shadowlab.model.impairment import Impairment
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.units import NS_PER_S
from shadowlab.monitor.layout import EVENTS_FILE
from shadowlab.serve.picture.shapes import Entry, PathRow


def network(watched: Watched) -> Network:
    """Nodes and links as the names of the directions tell them; delays are not known."""
    hosts = {end for path in watched.paths for end in (path.source, path.target)}
    rates: dict[tuple[str, str, str], int | None] = {}
    for name, rate in zip(watched.directions, watched.rates_bps, strict=True):
        link, _, ends = name.rpartition(":")
        source, _, target = ends.partition(">")
        rates[link, source, target] = rate
    links: list[Link] = []
    seen: set[tuple[str, str, str]] = set()
    nodes = dict.fromkeys([*hosts, *(end for key in rates for end in key[1:])])
    for (link, source, target), rate in rates.items():
        if (link, target, source) in seen:
            continue  # the way back of a link that is there
        seen.add((link, source, target))
        links.append(
            Link(
                id=link or f"{source}-{target}",
                a=source,
                b=target,
                forward=Impairment(rate_bps=rate),
                backward=Impairment(rate_bps=rates.get((link, target, source))),
            )
        )
    return Network(
        name="run",
        nodes=tuple(Node(id=name, kind="host" if name in hosts else "router") for name in sorted(nodes)),
        links=tuple(links),
    )


def rows(watched: Watched) -> list[PathRow]:
    """Every path, unknown."""
    counts: dict[str, int] = {}
    for flow in watched.flows:
        counts[str(flow)] = counts.get(str(flow), 0) + 1
    return [
        PathRow(
            id=str(path),
            source=path.source,
            target=path.target,
            state="unknown",
            affected=False,
            flows=counts.get(str(path), 0),
            route=[],
            fault="",
            production={},
            shadow={},
            before={},
            broken_levels=[],
            levels=[],
            fidelity=None,
        )
        for path in watched.paths
    ]


def events(folder: Path) -> list[Entry]:
    """What was done on the timeline so far."""
    try:
        lines = (folder / RAW_FOLDER / EVENTS_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found: dict[tuple[int, str], Entry] = {}
    for line in lines:
        try:
            one = json.loads(line)
            at_ns, text = int(one["at_ns"]), str(one["reason"] or one["operation"])
        except (ValueError, KeyError, TypeError):
            continue  # being written
        found.setdefault((at_ns // NS_PER_S, text), Entry(at_s=at_ns / NS_PER_S, kind="event", text=text))
    return list(found.values())


def means(table: SeriesTable, name: str) -> dict[str, float]:
    """By subject the mean of what was observed; without those of which nothing was."""
    values = table.values[name]
    seen = ~np.isnan(values)
    count = seen.sum(axis=0)
    sums = np.where(seen, values, 0.0).sum(axis=0)
    return {
        subject: float(sums[column] / count[column])
        for column, subject in enumerate(table.subjects)
        if count[column] > 0
    }
