"""The map of the network with the fault domain, the affected paths and the load.

In: a result.  Out: one plot.  Never: a label that cannot be read because a hundred others lie on it.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from shadowlab.report.choice import affected_paths, traces_at
from shadowlab.report.figure import Plot, drawing, finish, new_figure, quiet_axes
from shadowlab.report.labels import Name, place_names
from shadowlab.report.layout import Point, place_nodes
from shadowlab.report.palette import AFFECTED, FAINT, FAULT, INK, MUTED, SURFACE, UTILISATION
from shadowlab.report.words import percent, plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from shadowlab.model.network import Node
    from shadowlab.model.result import RunResult

MOST_LABELS = 40
_MOST_MARKS = 6
_WIDTH, _MOST_HIGH, _FOOT = 7.2, 4.6, 0.48
_MARGIN = 44


def draw_map(result: RunResult) -> Plot:
    """The network as it stood after the event (before it, if nothing happened)."""
    network = result.network
    points = _in_points(place_nodes(network))
    guilty = set(result.fault_domain.links) if result.fault_domain else set()
    crossed, ends = _crossed(result)
    small = len(network.nodes) > MOST_LABELS
    high = max(y for _, y in points.values())
    with drawing():
        figure = new_figure(_WIDTH, (high + 2 * _MARGIN) / 72 + _FOOT)
        foot = _FOOT / float(figure.get_figheight())
        axes = figure.add_axes((0.0, foot, 1.0, 1.0 - foot))
        quiet_axes(axes)
        axes.set_xlim(-_MARGIN, _WIDTH * 72 - _MARGIN)
        axes.set_ylim(-_MARGIN, high + _MARGIN)
        _links(axes, result, points, guilty, crossed, small=small)
        _nodes(axes, result, points, guilty, ends, small=small)
        _names(axes, result, points, guilty, ends, small=small)
        _legend(figure, guilty=bool(guilty), affected=bool(crossed), nodes=network.nodes)
        return finish(figure, name="map", title="Map", caption=_caption(result, small), alt=_alt(result), wide=True)


def _in_points(places: dict[str, Point]) -> dict[str, Point]:
    """The places scaled to the paper, in points (1/72 inch), the lowest and leftmost at zero."""
    left, low = min(x for x, _ in places.values()), min(y for _, y in places.values())
    wide, high = max(x for x, _ in places.values()) - left, max(y for _, y in places.values()) - low
    room = _WIDTH * 72 - 2 * _MARGIN
    scale = min(room / max(wide, 1e-9), _MOST_HIGH * 72 / max(high, 1e-9)) if max(wide, high) > 0 else 1.0
    shift = (room - wide * scale) / 2
    return {name: ((x - left) * scale + shift, (y - low) * scale) for name, (x, y) in places.items()}


def _links(
    axes: Axes, result: RunResult, points: dict[str, Point], guilty: set[str], crossed: set[str], *, small: bool
) -> None:
    from matplotlib.collections import LineCollection

    load = _load(result)
    lines = {link.id: (points[link.a], points[link.b]) for link in result.network.links}

    def layer(names: list[str], colours: list[str], width: float, zorder: int, alpha: float = 1.0) -> None:
        style: dict[str, Any] = {"colors": colours, "linewidths": width, "capstyle": "round", "alpha": alpha}
        axes.add_collection(LineCollection([lines[name] for name in names], zorder=zorder, **style))

    layer([name for name in lines if name in crossed], [AFFECTED], 4 if small else 9, 1, 0.35)
    calm = [name for name in lines if name not in guilty]
    layer(calm, [UTILISATION[_step(load.get(name, 0.0))] for name in calm], 1.0 if small else 2.2, 2)
    bad = [name for name in lines if name in guilty]
    layer(bad, [SURFACE], 5 if small else 8, 3)
    layer(bad, [FAULT], 3 if small else 4.5, 4)


def _crossed(result: RunResult) -> tuple[set[str], set[str]]:
    """Links on the routes of the affected paths when the trouble began, and the instances at their ends."""
    at_ns = result.fault_domain.onset_ns if result.fault_domain else result.event_ns
    traces = traces_at(result, at_ns)
    between: dict[frozenset[str], str] = {frozenset((link.a, link.b)): link.id for link in result.network.links}
    links: set[str] = set()
    ends: set[str] = set()
    for path in affected_paths(result):
        nodes = traces[path].nodes if path in traces else ()
        links |= {between[pair] for pair in map(frozenset, itertools.pairwise(nodes)) if pair in between}
        ends |= {nodes[0], nodes[-1]} if nodes else set()
    return links, ends


def _load(result: RunResult) -> dict[str, float]:
    """Link to the utilisation of its busier direction."""
    load: dict[str, float] = {}
    for one in result.link_summaries:
        load[one.link] = max(load.get(one.link, 0.0), one.utilisation_after)
    return load


def _step(utilisation: float) -> int:
    return min(3, max(0, int(utilisation * 4))) if utilisation == utilisation else 0


def _at_fault(result: RunResult, guilty: set[str]) -> set[str]:
    return {end for link in result.network.links if link.id in guilty for end in (link.a, link.b)}


def _nodes(
    axes: Axes, result: RunResult, points: dict[str, Point], guilty: set[str], ends: set[str], *, small: bool
) -> None:
    at_fault = _at_fault(result, guilty)
    for node in result.network.nodes:
        x, y = points[node.id]
        host = node.kind == "host"
        edge = FAULT if node.id in at_fault else AFFECTED if node.id in ends else FAINT if host else INK
        style: dict[str, Any] = {"markeredgecolor": edge, "markerfacecolor": SURFACE if host else edge, "zorder": 6}
        if small:
            plain = edge in (FAINT, INK)
            style |= {"markeredgecolor": FAINT, "markerfacecolor": FAINT} if plain else {}
            style |= {"markersize": 1.6 if plain else 4, "markeredgewidth": 0.4 if plain else 1.2}
        else:
            style |= {"markersize": 5 if host else 6.5, "markeredgewidth": 1.6}
        axes.plot([x], [y], "o" if host else "s", **style)


def _names(
    axes: Axes, result: RunResult, points: dict[str, Point], guilty: set[str], ends: set[str], *, small: bool
) -> None:
    """The fault domain's name chooses its place first, then routers, then instances."""
    at_fault = _at_fault(result, guilty)
    nodes = sorted(result.network.nodes, key=lambda one: (one.id not in at_fault, one.kind == "host", one.id))
    if small:
        wanted = [*sorted(at_fault), *sorted(ends - at_fault)][: MOST_LABELS // 2]
        nodes = [node for node in nodes if node.id in wanted]
    lines = {link.id: (points[link.a], points[link.b]) for link in result.network.links}
    marks = [name for name in lines if name in guilty][:_MOST_MARKS]
    boxes = [
        Name(at=_middle(lines[name]), size=(_wide(short(name, 26), 8.6) + 10, 18), distances=(14, 24, 36, 52))
        for name in marks
    ]
    # Instances by their id, which is short and what every table says; routers by the name of their city.
    texts = [
        (short(node.id, 18), 7.0) if node.kind == "host" else (short(node.label or node.id, 18), 8.0) for node in nodes
    ]
    boxes += [
        Name(at=points[node.id], size=(_wide(text, size), size * 1.25), distances=(5, 8, 12, 17))
        for node, (text, size) in zip(nodes, texts, strict=True)
    ]
    centres = place_names(boxes, list(points.values()), list(lines.values()))
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    for name, centre in zip(marks, centres, strict=False):
        box: dict[str, Any] = {"boxstyle": "round,pad=0.4", "facecolor": SURFACE, "edgecolor": FAULT, "linewidth": 1.0}
        thread: dict[str, Any] = {"arrowstyle": "-", "color": FAULT, "linewidth": 0.8}
        style: dict[str, Any] = {"color": FAULT, "fontsize": 8, "fontweight": "bold", "zorder": 9, "bbox": box}
        axes.annotate(short(name, 26), _middle(lines[name]), centre, arrowprops=thread, **centred, **style)
    for node, (text, size), centre in zip(nodes, texts, centres[len(marks) :], strict=True):
        colour = FAULT if node.id in at_fault else MUTED if node.kind == "host" else INK
        axes.text(*centre, text, color=colour, fontsize=size, zorder=8, **centred)


def _wide(text: str, size: float) -> float:
    """About the width of the text in points."""
    return 0.61 * size * len(text)


def _middle(line: tuple[Point, Point]) -> Point:
    (x0, y0), (x1, y1) = line
    return ((x0 + x1) / 2, (y0 + y1) / 2)


def _legend(figure: Any, *, guilty: bool, affected: bool, nodes: tuple[Node, ...]) -> None:
    from matplotlib.lines import Line2D

    steps = ("under 25 %", "25–50 %", "50–75 %", "over 75 %")
    entries = (
        [Line2D([], [], color=FAULT, linewidth=4.5, solid_capstyle="butt", label="fault domain")] if guilty else []
    )
    entries += (
        [Line2D([], [], color=AFFECTED, alpha=0.45, linewidth=8, solid_capstyle="butt", label="affected paths")]
        if affected
        else []
    )
    entries += [
        Line2D([], [], color=colour, linewidth=2.6, label=f"load {text}" if index == 0 else text)
        for index, (colour, text) in enumerate(zip(UTILISATION, steps, strict=True))
    ]
    if any(node.kind == "host" for node in nodes):
        style: dict[str, Any] = {"linestyle": "none", "markerfacecolor": SURFACE, "markeredgecolor": FAINT}
        entries.append(Line2D([], [], marker="o", markersize=5.5, markeredgewidth=1.6, label="instance", **style))
    entries.append(Line2D([], [], marker="s", linestyle="none", markersize=6, color=INK, label="router"))
    figure.legend(handles=entries, loc="lower center", ncols=4, labelcolor=MUTED, handlelength=1.6, columnspacing=2.2)


def _caption(result: RunResult, small: bool) -> str:
    words = ["Links are coloured by the load of their busier direction after the event."]
    if small:
        words.append(f"Named are nodes of the fault domain and ends of affected paths, {MOST_LABELS // 2} at most.")
    if all(node.latitude is None for node in result.network.nodes):
        words.append("The map has no coordinates: nodes are placed by their distance in hops.")
    return " ".join(words)


def _alt(result: RunResult) -> str:
    network = result.network
    size = f"Map of {network.name}: {plural(len(network.nodes), 'node')}, {plural(len(network.links), 'link')}."
    if result.fault_domain is None:
        return f"{size} No fault domain was found."
    where = ", ".join(short(one, 40) for one in result.fault_domain.links[:4])
    affected = plural(len(affected_paths(result)), "affected path")
    return (
        f"{size} The fault domain is {where} (confidence {percent(result.fault_domain.confidence)}), with {affected}."
    )
