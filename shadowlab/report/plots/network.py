"""A network by itself, as a map.

In: a network.  Out: one plot.  Never: a label that cannot be read because a hundred others lie on it.
"""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Any

from shadowlab.report.figure import Plot, drawing, finish, new_figure, quiet_axes
from shadowlab.report.labels import Name, place_names
from shadowlab.report.layout import Point, place_nodes
from shadowlab.report.palette import BEST, FAINT, INK, MUTED, SURFACE
from shadowlab.report.words import plural, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from shadowlab.model.network import Link, Network

MOST_LABELS = 60
_WIDTH, _MOST_HIGH, _MARGIN, _FOOT = 9.0, 6.5, 44, 0.4
_MARKERS = {"router": "s", "host": "o", "segment": "D"}
_COLOURS = {"router": INK, "host": FAINT, "segment": BEST}


def draw_network(network: Network) -> Plot:
    """Routers, instances and LANs where they are, links the thicker the faster."""
    places = place_nodes(network)
    wide = max(x for x, _ in places.values()) - min(x for x, _ in places.values())
    high = max(y for _, y in places.values()) - min(y for _, y in places.values())
    room = _WIDTH * 72 - 2 * _MARGIN
    scale = min(room / max(wide, 1e-9), _MOST_HIGH * 72 / max(high, 1e-9)) if max(wide, high) > 0 else 1.0
    left, low = min(x for x, _ in places.values()), min(y for _, y in places.values())
    points = {name: ((x - left) * scale, (y - low) * scale) for name, (x, y) in places.items()}
    small = len(network.nodes) > MOST_LABELS
    with drawing():
        figure = new_figure(_WIDTH, (high * scale + 2 * _MARGIN) / 72 + _FOOT)
        foot = _FOOT / float(figure.get_figheight())
        axes = figure.add_axes((0.0, foot, 1.0, 1.0 - foot))
        quiet_axes(axes)
        axes.set_xlim(-_MARGIN, _WIDTH * 72 - _MARGIN)
        axes.set_ylim(-_MARGIN, high * scale + _MARGIN)
        _links(axes, network, points, small=small)
        for node in network.nodes:
            size = 2.0 if small else 6.0
            style: dict[str, Any] = {"markeredgecolor": _COLOURS[node.kind], "markersize": size, "zorder": 6}
            face = SURFACE if node.kind == "host" else _COLOURS[node.kind]
            axes.plot(*([one] for one in points[node.id]), _MARKERS[node.kind], markerfacecolor=face, **style)
        if not small:
            _names(axes, network, points)
        _legend(figure, network)
        title = f"{network.name}: {plural(len(network.nodes), 'node')}, {plural(len(network.links), 'link')}"
        return finish(figure, name="network", title=title, caption="", alt=f"Map of {title}", wide=True)


def _links(axes: Axes, network: Network, points: dict[str, Point], *, small: bool) -> None:
    from matplotlib.collections import LineCollection

    lines = [(points[link.a], points[link.b]) for link in network.links]
    widths = [_width(link) * (0.5 if small else 1.0) for link in network.links]
    axes.add_collection(LineCollection(lines, colors=[FAINT], linewidths=widths, capstyle="round", zorder=2))


def _width(link: Link) -> float:
    """One point at 1 Mbit/s, half a point more for each factor of ten; an unlimited link is thin."""
    return 1.0 if link.forward.rate_bps is None else max(0.6, 1.0 + 0.5 * (log10(link.forward.rate_bps) - 6))


def _names(axes: Axes, network: Network, points: dict[str, Point]) -> None:
    nodes = sorted(network.nodes, key=lambda one: (one.kind == "host", one.id))
    texts = [(short(node.id, 18), 7.0 if node.kind == "host" else 8.0) for node in nodes]
    boxes = [
        Name(at=points[node.id], size=(0.61 * size * len(text), size * 1.25), distances=(5, 8, 12, 17))
        for node, (text, size) in zip(nodes, texts, strict=True)
    ]
    lines = [(points[link.a], points[link.b]) for link in network.links]
    for node, (text, size), centre in zip(nodes, texts, place_names(boxes, list(points.values()), lines), strict=True):
        colour = MUTED if node.kind == "host" else INK
        axes.text(*centre, text, color=colour, fontsize=size, zorder=8, ha="center", va="center")


def _legend(figure: Any, network: Network) -> None:
    from matplotlib.lines import Line2D

    words = {"router": "router", "host": "instance", "segment": "LAN"}
    kinds = [kind for kind in words if any(node.kind == kind for node in network.nodes)]
    entries = []
    for kind in kinds:
        face = SURFACE if kind == "host" else _COLOURS[kind]
        style: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": _COLOURS[kind], "linestyle": "none"}
        entries.append(Line2D([], [], marker=_MARKERS[kind], markersize=6, label=words[kind], **style))
    figure.legend(handles=entries, loc="lower center", ncols=3, labelcolor=MUTED)
