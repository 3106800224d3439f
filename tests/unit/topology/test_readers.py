"""Every foreign format: what the network of a capture is, and what is wrong in one, with its place and its words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.model.network import Demand, Demands, Network
from shadowlab.topology.formats import FORMATS, MapOptions, load_map, read_map

CAPTURES = Path(__file__).parents[2] / "captures" / "topology"
BARE = MapOptions(hosts_per_router=0)
FILES = sorted(path for path in CAPTURES.iterdir() if path.is_file())


def capture(name: str) -> Network:
    return load_map(CAPTURES / name, options=BARE)


def nodes(network: Network) -> dict[str, tuple[str, ...]]:
    return {node.id: (node.kind, *node.addresses) for node in network.nodes}


def links(network: Network) -> dict[str, str]:
    return {link.id: f"{link.a} {link.b} {link.forward.describe()}" for link in network.links}


def derived(network: Network, subject: str) -> list[tuple[str, str]]:
    return [(one.value, one.origin) for one in network.derived if one.subject == subject]


def faults(text: str, name: str = "m") -> list[str]:
    with pytest.raises(InputError) as caught:
        read_map(text.encode(), name=name, options=BARE)
    return [str(fault) for fault in caught.value.faults]


def test_gml_with_a_lan_parallel_links_and_a_neighbour() -> None:
    network = capture("ring.gml")

    assert network.name == "Ring"
    assert nodes(network) == {
        "Koln": ("router",), "Bonn": ("router",), "Peering-LAN": ("segment",), "Elsewhere": ("router",),
    }  # fmt: skip
    assert links(network)["Koln-Bonn-2"] == "Koln Bonn delay 126.7 µs, rate 10 Gbit/s, queue 100 packets"
    assert ("rate 2.488 Gbit/s", "LinkLabel 'STM-16'") in derived(network, "link Koln-Bonn")
    assert derived(network, "node Elsewhere") == [("outside the network", "the map says so")]
    assert ("delay 50 µs", "default port of a LAN") in derived(network, "link Elsewhere-Peering-LAN")


@pytest.mark.parametrize("name", ["triangle.sndlib.txt", "triangle.sndlib.xml"])
def test_sndlib_in_both_forms(name: str) -> None:
    network = capture(name)

    assert set(nodes(network)) == {"Berlin", "Dresden", "Leipzig"}
    found = links(network)
    assert found["Berlin-Dresden"] == "Berlin Dresden delay 810.7 µs, rate 2.5 Gbit/s, queue 100 packets"
    assert "rate 155 Mbit/s" in found["Dresden-Leipzig"]
    assert network.demands == Demands(between=(Demand(source="Berlin", target="Leipzig", value=195.0),))


def test_pixels_are_no_coordinates() -> None:
    text = (CAPTURES / "triangle.sndlib.txt").read_text().replace("13.48 52.52", "213.0 480.0")

    network = read_map(text.encode(), name="m", options=BARE)

    assert all(node.latitude is None for node in network.nodes)
    assert ("coordinates left out", "they lie beyond a globe's, so they are pixels") in derived(network, "map")


def test_netjson_reads_the_largest_graph_and_each_link_once() -> None:
    network = capture("mesh.netjson.json")

    assert nodes(network)["church"] == ("router", "192.0.2.1", "198.51.100.1")
    assert [(link.id, link.metric) for link in network.links] == [("church-192.0.2.2", 150), ("192.0.2.2-school", 100)]
    assert network.links[0].forward.describe() == "delay 4 ms, rate 30 Mbit/s, queue 100 packets"
    assert derived(network, "map")[0] == ("graphs left out: 1", "the largest of the collection is read")


def test_node_link_joins_directed_pairs_and_guesses_no_unit() -> None:
    network = capture("nodes.node-link.json")

    first, second = network.links
    assert (first.forward.delay_ns, first.backward.delay_ns) == (1_000_000, 2_000_000)
    assert second.forward.describe() == "delay 100 µs, rate 1 Gbit/s, queue 100 packets"
    assert nodes(network)["Web"] == ("host", "192.0.2.1")
    assert ("left out", "capacity 40 has no unit") in derived(network, "link Aachen-Mainz")


def test_containerlab_inherits_kinds_and_leaves_out_what_leads_away() -> None:
    network = capture("data-centre.clab.yml")

    assert nodes(network) == {
        "spine": ("router",), "leaf1": ("router",), "leaf2": ("router",), "web": ("host", "192.0.2.10"),
        "gateway": ("router",), "office": ("segment",), "printer": ("host",),
    }  # fmt: skip
    assert links(network)["spine-leaf1"] == "spine leaf1 delay 50 µs, rate 10 Gbit/s, queue 100 packets"
    assert network.links_by_id["spine-leaf1"].mtu == 9000
    assert "delay 1.5 ms, jitter 100 µs, loss 0.1 %" in links(network)["spine-leaf2"]
    assert links(network)["leaf1-web"] == "leaf1 web delay 0 s, rate unlimited, queue 100 packets"
    assert derived(network, "node gateway")[0] == ("link left out", "it leads out of the lab, to macvlan")


def test_kathara_with_its_startup_files() -> None:
    network = capture("kathara")

    assert network.name == "two-offices"
    assert nodes(network) == {
        "pc1": ("host", "192.0.2.10"), "pc2": ("host",), "r1": ("router", "192.0.2.1"), "r2": ("router",),
        "pc3": ("host", "198.51.100.10"), "lan-A": ("segment",),
    }  # fmt: skip
    assert [(link.id, link.a, link.b) for link in network.links][-2:] == [("B", "r1", "r2"), ("C", "r2", "pc3")]
    assert ("interface in unused left out", "nobody else is in that domain") in derived(network, "node r2")
    alone = load_map(CAPTURES / "kathara" / "lab.conf", options=BARE)
    assert [node.kind for node in alone.nodes] == [node.kind for node in network.nodes]


def test_lldp_dumps_tell_each_link_once_and_know_short_names() -> None:
    network = capture("lldp")

    assert nodes(network) == {
        "leaf-1": ("router", "192.0.2.1"), "web-1": ("host", "192.0.2.10"), "db-1": ("host",), "spine-1": ("router",),
    }  # fmt: skip
    assert [(link.a, link.b, link.forward.rate_bps) for link in network.links] == [
        ("leaf-1", "web-1", 10**10), ("leaf-1", "db-1", 10**9), ("leaf-1", "spine-1", 10**10),
        ("leaf-1", "spine-1", 10**10),
    ]  # fmt: skip
    alone = load_map(CAPTURES / "lldp" / "web-1.json", options=BARE)
    assert set(nodes(alone)) == {"web-1", "leaf-1.example.net"}


def test_address_dumps_join_whoever_shares_a_prefix() -> None:
    network = capture("hosts")

    assert nodes(network) == {
        "api": ("host", "192.0.2.11"), "core": ("host", "198.51.100.1", "203.0.114.1"),
        "gw": ("router", "192.0.2.1", "198.51.100.0", "203.0.113.1"), "web": ("host", "192.0.2.10"),
        "lan-192.0.2.0-24": ("segment",),
    }  # fmt: skip
    assert network.links_by_id["core-gw"].mtu == 9000
    assert ("router", "another host's gateway") in derived(network, "node gw")
    whole = {
        host: {"addr": json.loads((CAPTURES / "hosts" / file).read_text())}
        for host, file in {"gw": "gw.addr.json", "core": "core.addr.json"}.items()
    }
    together = read_map(json.dumps(whole).encode(), name="m", options=BARE)
    assert [(link.a, link.b) for link in together.links] == [("gw", "core")]


def test_netbox_cables_sites_and_roles() -> None:
    network = capture("netbox")

    assert nodes(network) == {
        "edge-1": ("router", "192.0.2.1"), "edge-2": ("router",), "db-1": ("host", "192.0.2.30"),
    }  # fmt: skip
    assert links(network) == {
        "edge-1-edge-2": "edge-1 edge-2 delay 1.82 ms, rate 40 Gbit/s, queue 100 packets",
        "edge-2-db-1": "edge-2 db-1 delay 50 µs, rate 1 Gbit/s, queue 100 packets",
    }
    assert network.links_by_id["edge-1-edge-2"].mtu == 9000
    assert derived(network, "cable #23") == [("left out", "it does not join two interfaces of the export")]


def test_a_list_of_links() -> None:
    network = capture("links.csv")

    assert links(network) == {
        "ams-fra": "ams fra delay 3.6 ms, rate 100 Gbit/s, queue 100 packets",
        "fra-zrh": "fra zrh delay 4 ms, loss 0.01 %, rate 40 Gbit/s, queue 100 packets",
        "zrh-ams": "zrh ams delay 1 ms, rate 10 Gbit/s, queue 100 packets",
    }
    assert [link.metric for link in network.links] == [10, 400, 30]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph [ node [ id 0 ]", "m:1:22: the file ends inside a list: a `]` is missing"),
        ("graph [\n node [ id ] ]", "m:2:12: `id` has no value"),
        ('graph [ node [ id 0 label "x ] ]', "m:1:27: a closing quote is missing here"),
        ("graph [ directed 1 node [ id 0 ] ]", "m:1:7: the graph is directed, but links lead both ways"),
        ("graph [ node [ label 5 ] ]", "m:1:14: a node has no id"),
        ("graph [ node [ id 0 Latitude 95 ] ]", "m:1:14: Latitude of node `0` must be a number from -90 to 90"),
        ("?SNDlib native format\nNODES ( A ( 1 2 )", "m:2: the file ends inside a section: a `)` is missing"),
        ("?SNDlib native format\nLINKS ( )", "m: this SNDlib file has no section NODES ( … )"),
        ('{"nodes": [{}], "links": []}', "m: nodes[0]: a node has no id"),
        ('{"nodes": [{"id": 1}], "links": [{"source": 1}]}', "m: links[0]: a link has no target"),
        ('{"nodes": [{"id": 1}], "links": [{"source": 1, "target": 2}]}', "m: links[0]: a link leads to `2`, which"),
        ('{"nodes": [{"id": 1, "lat": 95}], "links": []}', "m: nodes[0].lat: must lie between -90 and 90, got 95"),
        ('{"nodes": [1], "links": [', "m:1:26: this is not JSON: expecting value"),
        ("topology:\n  nodes: {a: {}, b: {}}\n  links:\n  - endpoints: [a:1, b:1, a:2]", "m:4:5: a link has two"),
        ("topology:\n  nodes: {a: {}, b: {}}\n  links:\n  - {endpoints: [a:1, b:1], vars: {delay: 3}}", ""),
        ('pc1[0]="A"\nnonsense', 'm/lab.conf:2: expected a line like pc1[0]="A"'),
        ("source,target,delay\na,b", "m:2: this line has 2 values, the first one names 3"),
        ("source,target,delay\na,,3 ms", "m:2: this link has no target"),
        ("source,target,delay\na,b,3 parsecs", "m:2: delay: '3 parsecs': unknown unit 'parsecs'"),
        ('{"lldp": {"interface": {"eth0": {"chassis": {}, "port": {}}}}}', "m: lldp.interface.eth0: a neighbour"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_its_place_and_its_words(text: str, message: str) -> None:
    if not message:  # a number without a unit is told of, not refused
        assert ("left out", "delay 3 has no unit") in derived(read_map(text.encode(), name="m"), "link a-b")
        return
    assert faults(text)[0].startswith(message)


def test_all_faults_come_together() -> None:
    document = {
        "nodes": [{"id": 1, "address": "300.1.1.1"}, {"id": 1}, {}],
        "links": [{"source": 1}, {"source": 1, "target": 7, "delay": "x"}],
    }

    assert len(faults(json.dumps(document))) == 6


def test_the_first_format_that_recognises_a_capture_is_its_own() -> None:
    first = {path.name: next(one.key for one in FORMATS if one.recognises(path.read_text())) for path in FILES}

    assert first == {
        "data-centre.clab.yml": "containerlab", "links.csv": "csv", "mesh.netjson.json": "netjson", "ring.gml": "gml",
        "nodes.node-link.json": "node-link", "triangle.sndlib.txt": "sndlib", "triangle.sndlib.xml": "sndlib-xml",
    }  # fmt: skip


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_change_to_a_map_raises_anything_but_an_input_error(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(FILES))
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 20))
        text[at : at + length] = data.draw(
            st.binary(max_size=8) | st.sampled_from([b'"', b"[", b"{", b"null", b"-1", b"()"])
        )
    key = next(one.key for one in FORMATS if one.recognises(path.read_text()))
    try:
        read_map(bytes(text), name="m", format_key=key)
    except InputError as error:
        assert all(str(fault).startswith("m") for fault in error.faults)


def test_a_format_can_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="grapml is not a map format: did you mean `graphml`"):
        load_map(CAPTURES / "ring.gml", format_key="grapml")
    (tmp_path / "note.txt").write_text("x")
    with pytest.raises(InputError, match="this folder is not a map; name the map file in it"):
        load_map(tmp_path)
