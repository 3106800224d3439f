"""The traffic matrix of a map: read, written, read back, and every fault in one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.model.network import Demand, Demands, Network, Node
from shadowlab.topology.formats import MapOptions, read_map
from shadowlab.topology.review.audit import audit
from shadowlab.topology.review.compare import compare
from shadowlab.topology.writers.native import write_native

NATIVE = """shadowlab: map/1
name: m
nodes: {a: {kind: router}, b: {kind: router}, h: {kind: host}, s: {kind: segment}}
links:
  ab: {ends: [a, b], delay: 1 ms}
  ah: {ends: [a, h], delay: 1 ms}
  as: {ends: [a, s], delay: 1 ms}
"""


def demands(network: Network) -> dict[str, float]:
    return {f"{one.source} {one.target}": one.value for one in network.demands.between}


def topohub(rows: dict[str, dict[str, float]], **more: object) -> Network:
    nodes = [
        {"id": number, "name": name, "pos": [number, 50]} for number, name in enumerate(("Aachen", "Bonn", "Köln"))
    ]
    links = [{"source": 0, "target": 1, "dist": 70}, {"source": 1, "target": 2, "dist": 30}]
    document = {"graph": {"demands": rows}, "nodes": nodes, "edges": links} | more
    return read_map(json.dumps(document).encode(), name="t.json", options=MapOptions(largest_component=True))


def faults(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read_map(text.encode(), name="m.yaml")
    return [str(one) for one in caught.value.faults]


def test_topohubs_demands_name_the_nodes_as_the_map_does_now() -> None:
    found = topohub({"0": {"2": 34.0, "1": 9.5}, "2": {"0": 1}})

    assert demands(found) == {"Aachen Koln": 34.0, "Aachen Bonn": 9.5, "Koln Aachen": 1.0}
    assert found.demands.unit == ""
    assert [one for one in audit(found).findings if "demands" in one] == [
        "demands between 3 pairs of nodes, 44.5 in all, of an unknown unit, which a scenario must state"
    ]


def test_what_leads_out_of_the_piece_or_to_itself_is_left_out_and_told() -> None:
    found = topohub({"0": {"0": 3, "1": 2, "2": 5}}, edges=[{"source": 0, "target": 1, "dist": 70}])

    assert demands(found) == {"Aachen Bonn": 2.0}
    notes = {(one.value, one.origin) for one in found.derived if one.subject == "map"}
    assert ("demands left out: 1", "an end is not joined to the largest piece") in notes
    assert ("demands left out: 1", "from a node to itself, or of a LAN") in notes


def test_a_demand_of_a_node_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(InputError, match=r"a demand has the end `7`, which is not a node of this map"):
        topohub({"0": {"7": 3}})
    with pytest.raises(InputError, match=r"graph\.demands\.0\.1: must lie between 0 and 1e\+18, got -3"):
        topohub({"0": {"1": -3}})


def test_sndlib_demands_are_routing_units_of_so_much() -> None:
    text = (
        "?SNDlib native format; type: network; version: 1.0\nNODES ( A ( 1 50 ) B ( 2 50 ) )\n"
        "LINKS ( L1 ( A B ) 10 0 0 0 ( ) )\nDEMANDS (\n D1 ( A B ) 155 2.00 UNLIMITED\n D2 ( A B ) 1 5 3\n)\n"
    )

    found = read_map(text.encode(), name="t.txt")

    assert demands(found) == {"A B": 315.0}
    assert any(one.value == "demands added to another one: 1" for one in found.derived)
    with pytest.raises(InputError, match=r"t.txt:5: demand `D1`: expected `\( SOURCE TARGET \) UNIT VALUE`"):
        read_map(text.replace("155 2.00", "many more").encode(), name="t.txt")


def test_a_measured_matrix_of_sndlib_states_its_unit() -> None:
    text = (
        "<network><meta><unit>MBITPERSEC</unit></meta><networkStructure><nodes><node id='A'/><node id='B'/></nodes>"
        "<links><link id='L'><source>A</source><target>B</target></link></links></networkStructure>"
        "<demands><demand id='D'><source>A</source><target>B</target><demandValue>7.5</demandValue></demand></demands>"
        "</network>"
    )

    assert read_map(text.encode(), name="t.xml").demands == Demands(
        unit="mbps", between=(Demand(source="A", target="B", value=7.5),)
    )


@given(st.sampled_from(("", "mbps", "tbps")), st.dictionaries(st.sampled_from("abh"), st.floats(0, 1e18), max_size=2))
def test_our_own_format_reads_back_what_it_writes(unit: str, values: dict[str, float]) -> None:
    stated = Demands(
        unit=unit if values else "",
        between=tuple(
            Demand(source=source, target=target, value=value)
            for source, target in (("a", "b"), ("h", "a"))
            for value in list(values.values())[:1]
        ),
    )
    before = read_map(NATIVE.encode(), name="m.yaml")
    network = Network(name="m", nodes=before.nodes, links=before.links, demands=stated)

    text, left_out = write_native(network)
    again = read_map(text.encode(), name="again.yaml")

    assert again.demands == stated and not left_out
    assert compare(network, again) == ()


def test_every_fault_of_a_matrix_is_told_with_its_place() -> None:
    found = faults(NATIVE + "demands:\n  between:\n    a: {a: 1, c: 2, s: 3, b: -1}\n    d: {a: 1}\n")

    assert found == [
        "m.yaml:10:9: demands: `a` sends to itself",
        "m.yaml:10:15: demands: `c` is not a node of this map",
        "m.yaml:10:21: demands: `s` is a segment: packets pass it, none begin there",
        "m.yaml:10:30: demands.between.a.b: must be greater than or equal to 0, got -1",
        "m.yaml:11:5: demands: `d` is not a node of this map",
    ]


def test_another_matrix_is_a_difference_between_maps() -> None:
    old = read_map((NATIVE + "demands: {between: {a: {b: 1}}}").encode(), name="m.yaml")
    new = read_map((NATIVE + "demands: {unit: mbps, between: {a: {b: 2}}}").encode(), name="m.yaml")

    (found,) = compare(old, new)

    assert found.key == "demands" and "1 of unknown unit in all" in found.old and "2 mbps in all" in found.new


def test_a_network_refuses_demands_that_cannot_be() -> None:
    nodes = (Node(id="a", kind="host"), Node(id="s", kind="segment"))

    for target, words in (("a", "leads to itself"), ("x", "not a node"), ("s", "is a segment")):
        with pytest.raises(ValueError, match=words):
            Network(
                name="n",
                nodes=nodes,
                links=(),
                demands=Demands(between=(Demand(source="a", target=target, value=1),)),
            )
    with pytest.raises(ValueError, match="given twice"):
        Demands(between=(Demand(source="a", target="b", value=1), Demand(source="a", target="b", value=2)))
    with pytest.raises(ValueError, match="no unit of demands"):
        Demands(unit="furlongs")
