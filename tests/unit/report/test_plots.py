"""Plots: valid, complete, the same for the same input, and honest with odd input."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Link, Network, Node
from shadowlab.report.choice import thinned
from shadowlab.report.figure import Plot
from shadowlab.report.layout import place_nodes
from shadowlab.report.palette import DARK, LIGHT
from shadowlab.report.plots.map import draw_map
from shadowlab.report.plots.run import draw_plots, write_pngs
from shadowlab.report.plots.series import draw_paths

from .example import LEVELS, example_run
from .example_network import example_network

NAMES = (
    "map",
    "cures",
    "latency-p95-ms",
    "loss",
    "throughput-mbps",
    "retransmission-share",
    "queueing-ms",
    "one-way-delay",
    "heat-map",
    "link-utilisation",
    "link-queue-packets",
)


@pytest.fixture(scope="module")
def plots() -> tuple[Plot, ...]:
    return draw_plots(*example_run(), LEVELS)


def png_is_whole(content: bytes) -> bool:
    """Every chunk is there with its checksum."""
    place, kinds = 8, []
    while place < len(content):
        (length,), kind = struct.unpack(">I", content[place : place + 4]), content[place + 4 : place + 8]
        (checksum,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert checksum == zlib.crc32(content[place + 4 : place + 8 + length])
        kinds.append(kind)
        place += 12 + length
    return content[:8] == b"\x89PNG\r\n\x1a\n" and kinds[0] == b"IHDR" and kinds[-1] == b"IEND"


def test_every_plot_is_a_valid_png_and_well_formed_svg(plots: tuple[Plot, ...], tmp_path: Path) -> None:
    written = write_pngs(plots, tmp_path / "plots")

    assert tuple(path.stem for path in written) == NAMES
    assert all(png_is_whole(path.read_bytes()) for path in written)
    for plot in plots:
        root = ElementTree.fromstring(plot.svg)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == plot.alt != ""


def test_the_same_input_gives_the_same_bytes(plots: tuple[Plot, ...]) -> None:
    assert draw_plots(*example_run(), LEVELS) == plots


def test_ids_in_the_page_are_unique(plots: tuple[Plot, ...]) -> None:
    ids = [one for plot in plots for one in re.findall(r' id="([^"]+)"', plot.svg)]

    assert len(ids) == len(set(ids))


def test_colours_in_svg_follow_the_theme(plots: tuple[Plot, ...]) -> None:
    drawn = plots[0].svg

    assert "var(--fault)" in drawn
    assert not any(value in drawn for value in LIGHT.values())
    assert LIGHT.keys() == DARK.keys()


def test_names_that_look_like_markup_or_formulas_are_drawn_as_they_are() -> None:
    drawn = draw_map(example_run(strange_name="<b>$x_")[0]).svg

    assert "&lt;b&gt;$x_" in drawn


def test_a_limit_is_drawn_only_where_it_is_given(plots: tuple[Plot, ...]) -> None:
    result, paths, _ = example_run()

    with_limits = {plot.name: plot.svg for plot in plots}
    without = {plot.name: plot.svg for plot in draw_paths(result, paths, ())}

    assert "var(--limit)" in with_limits["loss"]
    assert "var(--limit)" not in without["loss"]
    assert "var(--limit)" not in with_limits["throughput-mbps"]


def test_empty_series_leave_out_their_plots() -> None:
    result, _, _ = example_run()
    nothing = SeriesTable(times_ns=np.zeros(0, dtype=np.int64), subjects=(), values={})

    assert [plot.name for plot in draw_plots(result, nothing, nothing)] == ["map", "cures"]


def test_a_series_of_nothing_but_gaps_is_left_out_and_one_of_gaps_and_a_value_is_drawn() -> None:
    result, paths, links = example_run()
    gaps = {kpi: np.full_like(values, np.nan) for kpi, values in paths.values.items()}
    nearly = gaps | {"loss": gaps["loss"].copy()}
    nearly["loss"][-1] = 0.5

    assert not {plot.name for plot in draw_plots(result, replace(paths, values=gaps), links)} & set(gaps)
    assert "loss" in {plot.name for plot in draw_plots(result, replace(paths, values=nearly), links)}


def test_thinning_keeps_means_and_gaps() -> None:
    times = np.arange(4, dtype=np.int64) * 1_000_000_000

    seconds, values, each = thinned(times, np.array([1.0, 3.0, np.nan, np.nan]), limit=2)

    assert each == 2
    assert seconds.tolist() == [0.0, 2.0]
    assert values[0] == 2.0
    assert np.isnan(values[1])


def mesh(count: int) -> Network:
    """A ring with chords and no coordinates."""
    nodes = tuple(Node(id=f"n{index}", kind="router") for index in range(count))
    ring = [Link(id=f"r{index}", a=f"n{index}", b=f"n{(index + 1) % count}") for index in range(count)]
    chords = [Link(id=f"c{index}", a=f"n{index}", b=f"n{(index + count // 3) % count}") for index in range(0, count, 9)]
    return Network(name="mesh", nodes=nodes, links=(*ring, *chords))


@pytest.mark.parametrize(
    "network",
    [example_network(), mesh(12), pytest.param(mesh(754), marks=pytest.mark.slow)],
    ids=["abilene", "ring", "kdl-sized"],
)
def test_every_node_has_its_own_place(network: Network) -> None:
    places = place_nodes(network)

    assert set(places) == {node.id for node in network.nodes}
    assert len({(round(x, 4), round(y, 4)) for x, y in places.values()}) == len(places)
    assert places == place_nodes(network)


def test_two_nodes_a_star_and_two_islands_have_places() -> None:
    nodes = tuple(Node(id=name, kind="host") for name in "abcdef")
    pair = Network(name="pair", nodes=nodes[:2], links=(Link(id="ab", a="a", b="b"),))
    star = Network(name="star", nodes=nodes, links=tuple(Link(id=f"a{one}", a="a", b=one) for one in "bcdef"))
    islands = Network(name="islands", nodes=nodes, links=(Link(id="ab", a="a", b="b"), Link(id="cd", a="c", b="d")))

    for network in (pair, star, islands):
        assert len(set(place_nodes(network).values())) == len(network.nodes)
