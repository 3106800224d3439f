"""The network of the example and what would be measured on it: made up, but the same every time."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np

from shadowlab.model.flow import Path
from shadowlab.model.impairment import Impairment
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.network import Derived, Direction, Link, Network, Node
from shadowlab.model.units import NS_PER_S

EVENT_S, DURATION_S = 120, 300
GUILTY = Direction(link="chicago-indianapolis", source="chicago", target="indianapolis")
_CITIES = {
    "seattle": (47.61, -122.33),
    "sunnyvale": (37.37, -122.04),
    "losangeles": (34.05, -118.24),
    "denver": (39.74, -104.99),
    "kansascity": (39.10, -94.58),
    "houston": (29.76, -95.37),
    "chicago": (41.88, -87.63),
    "indianapolis": (39.77, -86.16),
    "atlanta": (33.75, -84.39),
    "newyork": (40.71, -74.01),
    "washington": (38.91, -77.04),
}
_WIRES = (
    ("seattle", "sunnyvale", 6.3),
    ("seattle", "denver", 10.9),
    ("sunnyvale", "losangeles", 3.0),
    ("sunnyvale", "denver", 9.4),
    ("losangeles", "houston", 14.0),
    ("denver", "kansascity", 5.1),
    ("kansascity", "houston", 6.5),
    ("kansascity", "indianapolis", 4.4),
    ("houston", "atlanta", 7.0),
    ("chicago", "indianapolis", 1.6),
    ("chicago", "newyork", 7.1),
    ("indianapolis", "atlanta", 4.3),
    ("atlanta", "washington", 5.5),
    ("newyork", "washington", 2.0),
)


def example_network(strange_name: str = "") -> Network:
    """Eleven routers, twelve instances (two in Chicago).  ``strange_name`` becomes the label of Denver."""
    nodes = [
        Node(
            id=city,
            kind="router",
            label=strange_name if strange_name and city == "denver" else city.title(),
            latitude=at[0],
            longitude=at[1],
        )
        for city, at in _CITIES.items()
    ]
    hosts = [(f"vm-{city[:4]}", city) for city in _CITIES] + [("vm-chi2", "chicago")]
    nodes += [Node(id=name, kind="host", addresses=(f"10.0.{index}.1",)) for index, (name, _) in enumerate(hosts, 1)]
    links = []
    for a, b, delay in _WIRES:
        way = Impairment(delay_ns=int(delay * 1e6), rate_bps=10_000_000)
        links.append(Link(id=f"{a}-{b}", a=a, b=b, forward=way, backward=way))
    links += [Link(id=f"{name}-{city}", a=name, b=city) for name, city in hosts]
    return Network(
        name="abilene",
        nodes=tuple(nodes),
        links=tuple(links),
        groups={"midwest": ("chicago", "indianapolis", "chicago-indianapolis")},
        rate_scale=1000.0,
        derived=(Derived(subject="seattle-denver", value="delay 10.9 ms", origin="coordinates at 5 µs/km"),),
    )


def routes(network: Network) -> tuple[dict[str, tuple[str, ...]], dict[str, float]]:
    graph = nx.Graph()
    for link in network.links:
        graph.add_edge(link.a, link.b, ms=max(link.forward.delay_ns / 1e6, 0.05))
    hosts = [node.id for node in network.hosts]
    routes = {
        str(Path(source=a, target=b)): tuple(nx.shortest_path(graph, a, b, weight="ms"))
        for a, b in itertools.permutations(hosts, 2)
    }
    delays = {path: nx.path_weight(graph, list(nodes), "ms") * 2 for path, nodes in routes.items()}
    return routes, delays


def crosses(nodes: tuple[str, ...]) -> bool:
    return (GUILTY.source, GUILTY.target) in itertools.pairwise(nodes)


def _times() -> np.ndarray:
    return np.arange(1, DURATION_S + 1, dtype=np.int64) * NS_PER_S


def path_series(routes: dict[str, tuple[str, ...]], delays: dict[str, float], affected: set[str]) -> SeriesTable:
    chance = np.random.default_rng(7)
    names = tuple(sorted(routes))
    shape = (DURATION_S, len(names))
    hit = np.outer(np.arange(1, DURATION_S + 1) > EVENT_S, [name in affected for name in names])
    base = np.array([delays[name] for name in names])
    latency = base + np.abs(chance.normal(0.4, 0.2, shape)) + hit * chance.normal(38, 4, shape)
    latency[chance.random(shape) < 0.004] = np.nan
    loss = np.where(chance.random(shape) < 0.01, 0.04, 0.0) + hit * np.clip(chance.normal(0.06, 0.02, shape), 0, 1)
    values = {
        "latency_ms": latency,
        "latency_p95_ms": latency + np.abs(chance.normal(1.5, 0.5, shape)) + hit * 6,
        "jitter_ms": np.abs(chance.normal(0.3, 0.1, shape)) + hit * 4,
        "loss": loss,
        "throughput_mbps": np.abs(chance.normal(0.8, 0.05, shape)) * np.where(hit, 0.35, 1.0),
        "retransmission_share": np.abs(chance.normal(0.001, 0.0005, shape)) + hit * chance.uniform(0.02, 0.08, shape),
        "srtt_ms": latency + 0.5,
        "cwnd_segments": np.abs(chance.normal(30, 3, shape)) * np.where(hit, 0.3, 1.0),
        "delay_there_ms": latency / 2 + hit * 19,
        "delay_back_ms": latency / 2 - hit * 19,
        "loss_there": loss,
        "loss_back": np.zeros(shape),
        "queueing_ms": np.where(hit, 6.0, 0.4),
    }
    return SeriesTable(times_ns=_times(), subjects=names, values=values)


def link_series(network: Network) -> SeriesTable:
    chance = np.random.default_rng(11)
    names = tuple(str(direction) for direction in network.directions)
    shape = (DURATION_S, len(names))
    guilty = np.array([name == str(GUILTY) for name in names])
    hit = np.outer(np.arange(1, DURATION_S + 1) > EVENT_S, guilty)
    level = np.array([0.1 + 0.8 * ((7 * index) % 11) / 11 for index in range(len(names))])
    utilisation = np.clip(level + chance.normal(0, 0.03, shape) - hit * 0.1, 0, 1)
    values = {
        "link_throughput_mbps": utilisation * 10,
        "link_utilisation": utilisation,
        "link_loss": hit * 0.06,
        "link_queue_packets": np.abs(chance.normal(4, 2, shape)) + hit * chance.normal(80, 8, shape),
    }
    return SeriesTable(times_ns=_times(), subjects=names, values=values)
