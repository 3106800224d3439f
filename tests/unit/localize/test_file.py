"""A file of observations: what is read, what is refused with its line, and what the routes show by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wires import network, write

from shadowlab.errors import InputError
from shadowlab.localize.file.read import read_observations
from shadowlab.localize.settings import DEFAULTS
from shadowlab.localize.verdict import localise

SMALL = {"network": {"nodes": ["a", "b", "c"], "links": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]}}
FLOW: dict[str, Any] = {"src": "a", "dst": "c", "sent": 10, "bad": 1, "paths": [["a", "b", "c"]]}


def test_a_flow_crosses_the_links_and_nodes_of_its_path(tmp_path: Path) -> None:
    seen = read_observations(write(tmp_path, [SMALL, FLOW])).seen

    assert {str(seen.components[one]) for one in seen.paths.values} == {"a>b", "b>c", "host a", "node b", "host c"}
    assert (seen.sent.tolist(), seen.bad.tolist()) == ([10], [1])


def test_without_paths_all_shortest_ways_are_equally_probable(tmp_path: Path) -> None:
    seen = read_observations(write(tmp_path, [network(), {"src": "h00", "dst": "h10", "sent": 1, "bad": 0}])).seen

    assert seen.shares.tolist() == pytest.approx([1 / 3] * 3)


def test_probabilities_are_taken_as_stated(tmp_path: Path) -> None:
    paths = [
        {"nodes": ["h00", "l0", "s0", "l1", "h10"], "probability": 0.9},
        {"nodes": ["h00", "l0", "s1", "l1", "h10"], "probability": 0.1},
    ]
    flow = {"src": "h00", "dst": "h10", "sent": 1, "bad": 0, "paths": paths}

    assert read_observations(write(tmp_path, [network(), flow])).seen.shares.tolist() == pytest.approx([0.9, 0.1])


def test_a_round_trip_crosses_both_ways(tmp_path: Path) -> None:
    flow = {
        "src": "h00", "dst": "h10", "sent": 1, "bad": 0,
        "paths": [["h00", "l0", "s0", "l1", "h10"]], "back": [["h10", "l1", "s2", "l0", "h00"]],
    }  # fmt: skip

    read = read_observations(write(tmp_path, [network(), flow]))

    crossed = {str(read.seen.components[one]) for one in read.seen.paths.values}
    assert read.routing == ()
    assert {"l0>s0", "s2>l0", "host h10", "node s2"} <= crossed
    assert "s0>l0" not in crossed


def test_a_path_that_ends_early_is_a_black_hole_and_one_that_returns_a_loop(tmp_path: Path) -> None:
    lost = {"src": "h00", "dst": "h10", "sent": 5, "bad": 5, "paths": [["h00", "l0", "s0"]]}
    round_and_round = {"src": "h00", "dst": "h20", "sent": 5, "bad": 5, "paths": [["h00", "l0", "s1", "l0"]]}
    fine = {"src": "h00", "dst": "h01", "sent": 7, "bad": 0, "paths": [["h00", "l0", "h01"]]}

    read = read_observations(write(tmp_path, [network(), lost, fine, round_and_round]))

    assert [(one.name, one.fault, one.flows) for one in read.routing] == [
        ("node l0", "loop", 1),
        ("node s0", "black hole", 1),
    ]
    assert read.seen.sent.tolist() == [7]


def test_flows_of_nothing_are_sound(tmp_path: Path) -> None:
    assert read_observations(write(tmp_path, [SMALL, FLOW | {"sent": 0, "bad": 0}])).seen.flows == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "is empty"),
        (["nonsense"], "line 1: not JSON"),
        ([FLOW], "line 1: the first line must be the network"),
        ([{"network": {"nodes": [], "links": []}}], "line 1: the network has no nodes"),
        ([{"network": {"nodes": ["a"], "links": []}}], "line 1: the network has no links"),
        ([{"network": {"nodes": ["a"], "links": [{"from": "a", "to": "z"}]}}], "link 1 has the end 'z'"),
        ([{"network": {"nodes": ["a", "a"], "links": [{}]}}], "node 'a' is listed twice"),
        ([SMALL, FLOW, "", "{"], "line 4: not JSON"),
        ([SMALL, FLOW, "1},{}"], "line 3: not JSON"),
        ([SMALL, 5], "line 2: a flow must be an object"),
        ([SMALL, FLOW | {"bad": 11}], "line 2: 11 packets bad of 10 sent"),
        ([SMALL, FLOW | {"sent": -1}], "line 2: sent is -1"),
        ([SMALL, FLOW | {"sent": True, "bad": 0}], "line 2: sent is True"),
        ([SMALL, FLOW | {"sent": "many"}], "line 2: sent is 'many'"),
        ([SMALL, '{"src": "a", "dst": "c", "sent": NaN, "bad": 0}'], "line 2: sent is nan"),
        ([SMALL, FLOW | {"src": "z"}], "line 2: src is 'z', which is not in the network"),
        ([SMALL, FLOW | {"paths": [["a", "z", "c"]]}], "line 2: a path has the node 'z'"),
        ([SMALL, FLOW | {"paths": [["a", "c"]]}], "line 2: a path goes from 'a' to 'c'"),
        ([SMALL, FLOW | {"paths": [["b", "c"]]}], "line 2: a path begins at 'b', the flow at 'a'"),
        ([SMALL, FLOW | {"paths": []}], "line 2: paths must list one or more paths"),
        ([SMALL, FLOW | {"paths": [[]]}], "line 2: a path"),
        ([SMALL, FLOW | {"paths": 3}], "line 2: paths must list"),
        ([SMALL, FLOW | {"path": []}], "line 2: unknown key 'path'"),
        ([SMALL, FLOW | {"rtt_ms": "slow"}], "line 2: rtt_ms is 'slow'"),
        ([SMALL, {"src": "c", "dst": "a", "sent": 1, "bad": 0}], "line 2: no way leads from 'c' to 'a'"),
        ([SMALL, FLOW | {"paths": [{"nodes": ["a", "b", "c"], "probability": 0.5}]}], "sum to 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, lines: list[Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        read_observations(write(tmp_path, lines))

    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_observations(tmp_path / "none.jsonl")


def test_many_pieces_read_as_one(tmp_path: Path) -> None:
    lines = [json.dumps(SMALL), *[json.dumps(FLOW)] * 9000]

    seen = read_observations(write(tmp_path, lines)).seen

    assert (seen.flows, len(seen.ways), seen.bad.sum()) == (9000, 1, 9000)


def test_on_a_handful_of_links_nothing_is_named_that_explains_nothing(tmp_path: Path) -> None:
    """The example of ``docs/how-to/localize.md``."""
    links = [{"from": a, "to": b} for a, b in ("ar", "br", "rs", "sc", "sd")]
    flows = [
        {"src": source, "dst": target, "sent": 20_000, "bad": bad}
        for (source, target), bad in {"ac": 61, "ad": 2, "bc": 55, "bd": 1}.items()
    ]
    read = read_observations(write(tmp_path, [{"network": {"nodes": list("abrscd"), "links": links}}, *flows]))

    found = localise(read.seen, DEFAULTS)

    assert [one.name for one in found.suspects] == ["s>c or host c"]
