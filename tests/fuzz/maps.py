"""Damaged maps against every reader of maps.

In: a format's name (``map-gml``) and bytes.  Out: how many nodes and faults; the reader's own exception if it breaks
its promise: nothing but an InputError leaves it, and a network that comes out can be given addresses.
"""

from __future__ import annotations

from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.topology.addressing import address
from shadowlab.topology.formats import FORMATS, MapOptions, read_map

CAPTURES = Path(__file__).parents[1] / "captures" / "topology"
NATIVE = b"shadowlab: map/1\nname: m\nnodes: {a: {kind: host, address: 192.0.2.1}, b: {kind: router}}\nlinks:\n  ab: {"
_PREFIX = "map-"


def seeds() -> dict[str, list[bytes]]:
    """For each reader a few good maps."""
    good = {f"{_PREFIX}{one.key}": list[bytes]() for one in FORMATS}
    for path in sorted(CAPTURES.rglob("*")):
        if path.is_file() and path.name != "README.txt":
            text = path.read_bytes()
            key = next((one.key for one in FORMATS if one.recognises(text.decode())), None)
            if key is not None:
                good[f"{_PREFIX}{key}"].append(text)
    hosts = [(CAPTURES / "hosts" / f"{name}.addr.json").read_bytes() for name in ("gw", "core")]
    good[f"{_PREFIX}ip-dumps"] = [b'{"gw": {"addr": %s}, "core": {"addr": %s}}' % (hosts[0], hosts[1])]
    lists = {name: (CAPTURES / "netbox" / f"{name}.json").read_bytes() for name in ("devices", "interfaces", "cables")}
    members = (b'"%s": %s' % (key.encode(), text) for key, text in lists.items())
    good[f"{_PREFIX}netbox"] = [b"{" + b", ".join(members) + b"}"]
    node, edge = b'<node id="a"><data key="label">A</data></node>', b'<edge source="a" target="b"/>'
    graph = b'<graph edgedefault="undirected">' + node + node.replace(b'"a"', b'"b"') + edge + b"</graph>"
    good[f"{_PREFIX}graphml"] = [b"<graphml>" + graph + b"</graphml>"]
    link = b"ends: [a, b], delay: 3 ms, loss: 0.1 %, rate: 1 Mbit, queue: {kind: codel, target: 5 ms}}"
    good[f"{_PREFIX}shadowlab"] = [NATIVE + link]
    return good


def check(name: str, data: bytes) -> tuple[int, int]:
    """Read the bytes as the format of that name."""
    options = MapOptions(largest_component=True)
    try:
        network = read_map(data, name="x", options=options, format_key=name.removeprefix(_PREFIX))
    except InputError as error:
        assert error.faults
        return 0, len(error.faults)
    address(network)
    return len(network.nodes), 0
