"""``shadowlab topology``: what a user types, and what comes back."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shadowlab.cli.main import main
from shadowlab.topology.formats import MapOptions, load_map, read_map
from shadowlab.topology.writing import WRITERS, write_map

ROOT = Path(__file__).parents[3]
ABILENE = ROOT / "topologies" / "abilene.yaml"
CAPTURES = ROOT / "tests" / "captures" / "topology"
Typed = Callable[..., tuple[int, str, str]]
MAPS = sorted(CAPTURES.iterdir())


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Iterator[Typed]:
    """``main`` ends with signals ignored, as a process that ends does; children of later tests would inherit that."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["topology", *map(str, words)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("path", [ABILENE, *MAPS], ids=lambda path: path.name)
def test_our_own_format_holds_everything(path: Path) -> None:
    network = load_map(path, options=MapOptions(hosts_per_router=2))

    text, left_out = write_map(network, path=None, format_key="shadowlab")
    again = read_map(text.encode(), name="again")

    assert left_out == []
    assert replace(again, derived=()) == replace(network, derived=())


def test_a_map_with_everything_survives_our_own_format() -> None:
    text = """
shadowlab: map/1
name: all
rate_scale: 10
ipv6: true
routing: {ecmp: true}
nodes:
  a: {kind: host, label: "yes: no", addresses: [192.0.2.1, "2001:db8::1"], at: [1.5, -2.25]}
  b: {kind: router}
  c: {kind: router}
  d: {kind: host}
  lan: {kind: segment}
links:
  ab: {ends: [a, b], delay: 1.234567 ms, mtu: 9000, offload: true}
  bc:
    ends: [b, c]
    delay: 30 ms
    jitter: {size: 1 ms, distribution: normal}
    loss: {model: gilbert-elliott, p: 1 %, r: 30 %}
    rate: 1.5 Mbit
    queue: {kind: codel, target: 5 ms}
    metric: 7
    backward: {delay: 40 ms, jitter: 0, loss: 0, queue: 50, rate: unlimited, metric: 9}
  bl: {ends: [b, lan], delay: 0, forward: {loss: 0.1 %}}
  cl: {ends: [c, lan], delay: 0}
  cd: {ends: [c, d], delay: 1 ms, queue: {kind: bfifo, limit: 1 bdp}, rate: 10 Mbit}
groups: {g: [a, ab]}
routes:
  - {at: b, to: d, via: c}
  - {at: c, to: a, blackhole: true}
  - {from: a, to: d, path: [b, c]}
"""
    network = read_map(text.encode(), name="all")

    written, left_out = write_map(network, path=None, format_key="shadowlab")

    assert left_out == []
    assert replace(read_map(written.encode(), name="all"), derived=()) == replace(network, derived=())


@pytest.mark.parametrize("writer", ["graphml", "netjson", "containerlab"])
@pytest.mark.parametrize("path", [ABILENE, *MAPS], ids=lambda path: path.name)
def test_other_formats_keep_nodes_links_and_quantities(path: Path, writer: str) -> None:
    network = load_map(path, options=MapOptions(hosts_per_router=1))

    text, left_out = write_map(network, path=None, format_key=writer)
    again = read_map(text.encode(), name=f"again.{writer}", options=MapOptions(hosts_per_router=0))

    asymmetric = {line.split(":")[0].removeprefix("link ") for line in left_out if "what differs from" in line}
    assert [(node.id, node.kind) for node in again.nodes] == [(node.id, node.kind) for node in network.nodes]
    for one, other in zip(network.links, again.links, strict=True):
        assert (other.id, other.a, other.b, other.metric) == (one.id, one.a, one.b, one.metric)
        assert other.forward == one.forward
        assert (other.backward == one.backward) is (one.id not in asymmetric)


def test_the_mininet_script_is_a_program_that_makes_every_node_and_link() -> None:
    network = load_map(ABILENE)
    text, left_out = write_map(network, path=None, format_key="mininet")
    head, _, rest = text.partition("NODES = {")
    tables: dict[str, object] = {}

    compile(text, "abilene.py", "exec")
    exec("NODES = {" + rest.partition("\ndef build")[0], tables)  # the tables alone: Mininet is not needed for them

    assert "from mininet.net import Mininet" in head
    nodes, links, settings = tables["NODES"], tables["LINKS"], tables["SETTINGS"]
    assert isinstance(nodes, dict) and isinstance(links, list) and isinstance(settings, dict)
    assert list(nodes) == [node.id for node in network.nodes]
    assert [(link[0], link[1]) for link in links] == [(link.a, link.b) for link in network.links]
    assert all(len(port) <= 15 for link in links for port in link[2:4])
    assert "sysctl -qw net.ipv4.ip_forward=1" in settings["kan"]
    assert left_out == ["7 groups", "the rate scale 1000"]


def test_check_counts_and_tells_where_values_came_from(typed: Typed) -> None:
    code, out, _ = typed("check", CAPTURES / "ring.gml")

    assert code == 0
    assert out.startswith("Ring: 3 instances, 3 routers, 1 LANs, 8 links\n  parallel links between 1 pair of nodes\n")
    assert "  node Koln: name Koln (made from the label 'Köln' of node 0)\n    and 1 more: name, made from" in out
    code, out, _ = typed("check", CAPTURES / "ring.gml", "--json")
    document = json.loads(out)
    assert document["counts"]["links"] == 8
    assert len(document["derived"]) > 20


def test_a_map_in_pieces_is_a_finding_and_its_largest_piece_a_map(typed: Typed, tmp_path: Path) -> None:
    path = tmp_path / "two.csv"
    path.write_text("source,target\na,b\nb,c\nx,y\n")

    code, _, err = typed("check", path)
    assert (code, "Traceback" in err) == (2, False)
    assert "the map is in 2 pieces: 3 nodes (such as `a`) and 2 nodes (such as `x`)" in err
    assert typed("check", path, "--largest-component")[1].startswith("two: 3 instances, 3 routers, 5 links")


def test_show_prints_tables_or_json_or_draws(typed: Typed, tmp_path: Path) -> None:
    assert "kan – ind" in typed("show", ABILENE)[1]
    assert json.loads(typed("show", ABILENE, "--json")[1])["name"] == "abilene"
    for name, head in (("map.png", b"\x89PNG"), ("map.svg", b"<svg")):
        assert typed("show", CAPTURES / "kathara", "--draw", tmp_path / name)[0] == 0
        assert (tmp_path / name).read_bytes().startswith(head)
    assert typed("show", ABILENE, "--draw", tmp_path / "map.pdf")[0] == 2


def test_convert_writes_by_the_ending_and_tells_what_is_lost(typed: Typed, tmp_path: Path) -> None:
    for name in ("m.yaml", "m.graphml", "m.clab.yml", "m.json", "m.py"):
        code, out, err = typed("convert", ABILENE, tmp_path / name)
        assert (code, out) == (0, "")
        assert err.startswith(f"{tmp_path / name}: 25 nodes, 28 links\n")
    assert "left out: 7 groups" in err
    assert typed("diff", ABILENE, tmp_path / "m.yaml")[:2] == (0, "The maps are the same.\n")
    assert typed("convert", ABILENE, "-", "--to", "netjson")[1].startswith('{\n "type": "NetworkGraph"')
    assert typed("convert", ABILENE, tmp_path / "m.xyz")[0] == 2
    assert not (tmp_path / "m.xyz").exists()
    assert len(WRITERS) == 5


def test_diff_names_each_value_that_changed(typed: Typed, tmp_path: Path) -> None:
    text = ABILENE.read_text().replace("delay: 3.7 ms", "delay: 4.7 ms").replace("  cdn-nyc: {", "  cdn-nyc2: {")
    (tmp_path / "new.yaml").write_text(text.replace("[cdn-nyc,", "[cdn-nyc2,").replace("cdn-nyc, ", "cdn-nyc2, "))

    code, out, _ = typed("diff", ABILENE, tmp_path / "new.yaml")

    assert code == 1
    assert "link kan-ind: delay 3.7 ms -> 4.7 ms\n" in out
    assert "node cdn-nyc2: added, host 203.0.113.30\n" in out
    assert json.loads(typed("diff", ABILENE, tmp_path / "new.yaml", "--json")[1])["differences"]


def test_the_schema_is_json(typed: Typed) -> None:
    assert json.loads(typed("schema")[1])["$schema"].startswith("https://json-schema.org/")
