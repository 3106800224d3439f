"""GraphML as the Topology Zoo writes it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.model.network import Derived
from shadowlab.topology.foreign.link_speed import link_speed, spoken_speed
from shadowlab.topology.formats import MapOptions, read_map

KEYS = ("label", "Latitude", "Longitude", "LinkLabel", "LinkSpeed", "LinkSpeedUnits", "LinkSpeedRaw", "Network")
BARE = MapOptions(hosts_per_router=0)


def data(values: Mapping[str, str]) -> str:
    return "".join(f'<data key="{key}">{value}</data>' for key, value in values.items())


def node(number: int, **values: str) -> str:
    return f'<node id="{number}">{data(values)}</node>\n'


def edge(source: int, target: int, **values: str) -> str:
    return f'<edge source="{source}" target="{target}">{data(values)}</edge>\n'


def zoo(*parts: str, direction: str = "undirected") -> bytes:
    keys = "".join(f'<key attr.name="{key}" attr.type="string" for="all" id="{key}"/>' for key in KEYS)
    head = f'<graphml xmlns="http://graphml.graphdrawing.org/xmlns">{keys}\n<graph edgedefault="{direction}">\n'
    return (head + "".join(parts) + "</graph></graphml>").encode()


def faults(text: bytes, options: MapOptions = BARE) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_map(text, name="z.graphml", options=options)
    return [str(fault) for fault in caught.value.faults]


def test_routers_links_and_where_each_value_came_from() -> None:
    text = zoo(
        data({"Network": "Two Cities"}),
        node(0, label="New York", Latitude="0", Longitude="0"),
        node(1, label="Zürich", Latitude="0", Longitude="1"),
        edge(0, 1, LinkLabel="OC-192c"),
    )

    network = read_map(text, name="z.graphml", options=BARE)

    assert network.name == "Two-Cities"
    assert [(one.id, one.kind, one.label) for one in network.nodes] == [
        ("New-York", "router", "New York"),
        ("Zurich", "router", "Zürich"),
    ]
    link = network.links[0]
    assert (link.id, link.forward.delay_ns, link.forward.rate_bps, link.metric) == (
        "New-York-Zurich",
        555_975,
        9_953_280_000,
        56,
    )
    subject = "link New-York-Zurich"
    assert network.derived == (
        Derived(subject="node New-York", value="name New-York", origin="made from the label 'New York' of node 0"),
        Derived(subject="node Zurich", value="name Zurich", origin="made from the label 'Zürich' of node 1"),
        Derived(subject=subject, value="delay 556 µs", origin="111 km along the great circle at 5 µs/km"),
        Derived(subject=subject, value="rate 9.953 Gbit/s", origin="LinkLabel 'OC-192c'"),
        Derived(subject=subject, value="queue 100 packets", origin="default"),
        Derived(subject=subject, value="metric 56", origin="one for every 10 µs of delay"),
    )


def test_missing_coordinates_and_speeds_take_stated_defaults() -> None:
    text = zoo(node(0, label="a", Latitude="1", Longitude="1"), node(1, label="b"), edge(0, 1, LinkLabel="Lit Fibre"))

    network = read_map(text, name="z", options=BARE)

    assert (network.links[0].forward.delay_ns, network.links[0].forward.rate_bps) == (1_000_000, 10_000_000_000)
    origins = [one.origin for one in network.derived]
    assert "default, as coordinates are missing" in origins
    assert "default, as the map states no readable speed" in origins


def test_a_stated_speed_is_not_derived() -> None:
    text = zoo(node(0, label="a"), node(1, label="b"), edge(0, 1, LinkSpeedRaw="2500000000.0", LinkLabel="10 Gbps"))

    network = read_map(text, name="z", options=BARE)

    assert network.links[0].forward.rate_bps == 2_500_000_000
    assert not [one for one in network.derived if one.value.startswith("rate")]


def test_rates_are_scaled_on_request() -> None:
    text = zoo(node(0, label="a"), node(1, label="b"), edge(0, 1, LinkSpeedRaw="1e10"))

    network = read_map(text, name="z", options=MapOptions(hosts_per_router=0, rate_scale=1000))

    assert (network.links[0].forward.rate_bps, network.rate_scale) == (10_000_000, 1000)


def test_parallel_links_and_equal_labels_stay_apart_and_loops_are_left_out() -> None:
    text = zoo(
        node(0, label="x"), node(1, label="x"), node(2), edge(0, 1), edge(1, 0), edge(0, 1), edge(1, 2), edge(2, 2)
    )

    network = read_map(text, name="z", options=BARE)

    assert [one.id for one in network.nodes] == ["x", "x-2", "n2"]
    assert [one.id for one in network.links] == ["x-x-2", "x-2-x", "x-x-2-2", "x-2-n2"]
    assert Derived(subject="link n2-n2", value="left out", origin="leads from a node to itself") in network.derived


def test_instances_are_attached_to_every_router() -> None:
    text = zoo(node(0, label="a"), node(1, label="b"), edge(0, 1))

    network = read_map(text, name="z", options=MapOptions(hosts_per_router=2))

    assert [one.id for one in network.hosts] == ["a-vm1", "a-vm2", "b-vm1", "b-vm2"]
    access = network.links_by_id["a-vm1-a"].forward
    assert (access.delay_ns, access.rate_bps) == (100_000, None)
    assert (
        Derived(subject="node a-vm1", value="instance", origin="attached to a; the map has no instances")
        in network.derived
    )


def test_names_stay_within_their_length() -> None:
    long = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
    text = zoo(*(node(n, label=long) for n in range(12)), *(edge(n, n + 1) for n in range(11)))

    network = read_map(text, name="z", options=MapOptions(hosts_per_router=100))

    names = [*network.nodes_by_id, *network.links_by_id]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 40


def test_a_map_in_pieces_is_refused_or_its_largest_piece_taken() -> None:
    text = zoo(node(0, label="a"), node(1, label="b"), node(2, label="c"), edge(1, 2))

    assert faults(text) == [
        "z.graphml:2:1: the map is in 2 pieces: 2 nodes (such as `b (1)`) and 1 node (`a (0)`); "
        "join them, or go on with the largest piece: --largest-component"
    ]
    network = read_map(text, name="z", options=MapOptions(hosts_per_router=0, largest_component=True))
    assert [one.id for one in network.nodes] == ["b", "c"]
    assert network.derived[0] == Derived(
        subject="map", value="nodes left out: 1", origin="not joined to the largest piece"
    )


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n<graphml><graph>&b;</graph></graphml>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "z.graphml:1:13: a document type (`<!DOCTYPE …>`) is not allowed in a map; remove it"),
        (b"", "z.graphml: the file is empty"),
        (b"<graphml>\n<graph></graphml>", "z.graphml:2:10: not valid XML: mismatched tag"),
        (b"<graphml>&x;</graphml>", "z.graphml:1:10: not valid XML: undefined entity"),
        (b"<graphml></graphml>", "z.graphml: this XML file holds no GraphML `<graph>`"),
        (b"<graphml>" * 200, "z.graphml:1:901: elements are nested more than 100 deep"),
        (zoo(), "z.graphml:2:1: the map has no node"),
        (
            zoo(node(0), direction="directed"),
            'z.graphml:2:1: the graph is directed, but links lead both ways: write edgedefault="undirected"',
        ),
        (zoo(node(0), node(0)), "z.graphml:4:1: node `0` is defined twice"),
        (zoo(node(0), edge(0, 7)), "z.graphml:4:1: a link leads to `7`, which is not a node of this map"),
        (
            zoo(node(0, Latitude="north")),
            "z.graphml:3:1: Latitude of node `0` must be a number from -90 to 90, got 'north'",
        ),
        (
            zoo(node(0, Longitude="200")),
            "z.graphml:3:1: Longitude of node `0` must be a number from -180 to 180, got '200'",
        ),
        (zoo('<edge source="1"/>', node(1)), "z.graphml:3:1: a link has no target"),
        (zoo("<node/>"), "z.graphml:3:1: a node has no id"),
        (zoo(node(0), "<graph/>"), "z.graphml:4:1: a second `<graph>` begins here; put one graph in one file"),
    ],
)
def test_one_fault_has_its_place_and_its_words(text: bytes, message: str) -> None:
    assert faults(text) == [message]


def test_all_faults_come_together() -> None:
    text = zoo(node(0, Latitude="x"), node(0), edge(0, 9))

    assert len(faults(text)) == 3


@given(st.binary(max_size=80) | st.text("<>/&;graphmlnodeid= '\"", max_size=60).map(lambda t: f"<graphml>{t}".encode()))
def test_no_bytes_raise_anything_but_an_input_error(text: bytes) -> None:
    with pytest.raises(InputError):
        read_map(text, name="z")


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        ("10 Gbps", 10_000_000_000),
        ("155 Mbit/s", 155_000_000),
        ("2.5G", 2_500_000_000),
        ("2 x 10 Gbps", 20_000_000_000),
        ("STM-16", 2_488_320_000),
        ("OC-3", 155_520_000),
        ("E3 leased line", 34_368_000),
        ("10GE", 10_000_000_000),
        ("1GbE", 1_000_000_000),
        ("1 GigE", 1_000_000_000),
        ("622 Mb/s", 622_000_000),
        ("1 Gigabit", 1_000_000_000),
        ("1-10 Gbps", None),
        ("1 Gbps and 10 Gbps", None),
        (">= 10 Gbps", None),
        ("up to 10 Gbps", None),
        ("0 Mbps", None),
        ("Lit Fibre", None),
        ("5 Geese", None),
        ("", None),
    ],
)
def test_speeds_in_free_text_are_read_only_where_clear(text: str, speed: int | None) -> None:
    assert spoken_speed(text) == speed


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"LinkSpeedRaw": "1e9", "LinkSpeed": "5", "LinkSpeedUnits": "G"}, (1_000_000_000, "")),
        ({"LinkSpeedRaw": "nan", "LinkSpeed": "5", "LinkSpeedUnits": "G"}, (5_000_000_000, "LinkSpeed 5 G")),
        ({"LinkSpeed": "5", "LinkLabel": "10 Mbps"}, (10_000_000, "LinkLabel '10 Mbps'")),
        ({"LinkSpeedRaw": "-1"}, None),
        ({}, None),
    ],
)
def test_the_plainest_statement_of_a_speed_wins(values: Mapping[str, str], found: tuple[int, str] | None) -> None:
    assert link_speed(values) == found


@pytest.mark.parametrize("values", [{"hosts_per_router": -1}, {"rate_scale": 0.0}, {"rate_scale": float("nan")}])
def test_options_check_themselves(values: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        MapOptions(**values)  # type: ignore[arg-type]
