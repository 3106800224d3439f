"""Our own map format: what it means, and the exact words for everything that can be wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.model.network import Derived, Network
from shadowlab.topology.native import json_schema, read_native

HEAD = "shadowlab: map/1\nname: m\n"
NODES = "nodes:\n  a: {kind: router}\n  b: {kind: router}\n"


def read(text: str) -> Network:
    return read_native(text.encode(), name="m.yaml")


def faults(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(text)
    return [str(fault) for fault in caught.value.faults]


def test_directions_override_the_link_and_the_link_its_defaults() -> None:
    text = (
        HEAD
        + "rate_scale: 10\n"
        + "defaults: {router_link: {delay: 9 ms, rate: 1 Gbit, queue: 7}}\n"
        + NODES
        + "links:\n  ab: {ends: [a, b], delay: 3 ms, metric: 5, backward: {loss: 0.5 %, rate: unlimited}}\n"
        + "groups: {g: [a, ab]}\n"
    )

    network = read(text)

    link = network.links_by_id["ab"]
    assert (link.metric, network.rate_scale, network.groups) == (5, 10, {"g": ("a", "ab")})
    assert (link.forward.delay_ns, link.forward.rate_bps, link.forward.loss) == (3_000_000, 10**9, 0.0)
    assert (link.backward.delay_ns, link.backward.rate_bps, link.backward.loss) == (3_000_000, None, 0.005)
    assert link.forward.queue_packets == link.backward.queue_packets == 7
    assert network.derived == ()


def test_access_links_have_defaults_of_their_own() -> None:
    text = (
        HEAD
        + "defaults: {access_link: {delay: 0.2 ms}, router_link: {delay: 1 ms}}\n"
        + "nodes: {r: {kind: router}, h: {kind: host, address: 192.0.2.1, addresses: [192.0.2.2]}}\n"
        + "links: {h-r: {ends: [h, r]}}\n"
    )

    network = read(text)

    assert network.links[0].forward.delay_ns == 200_000
    assert network.nodes_by_id["h"].addresses == ("192.0.2.1", "192.0.2.2")


def test_what_the_map_leaves_open_is_marked_as_derived() -> None:
    text = (
        HEAD
        + "nodes: {a: {kind: router, at: [0, 0]}, b: {kind: router, at: [0, 1]}}\n"
        + "links: {ab: {ends: [a, b]}}\n"
    )

    network = read(text)

    assert network.links[0].forward.delay_ns == 555_975
    assert network.derived == (
        Derived(subject="link ab", value="delay 556 µs", origin="111 km along the great circle at 5 µs/km"),
        Derived(subject="link ab", value="queue 100 packets", origin="default"),
        Derived(subject="link ab", value="metric 1", origin="default"),
    )


def test_numbers_may_name_nodes() -> None:
    text = HEAD + "nodes: {1: {kind: router}, 2: {kind: router}}\nlinks: {l: {ends: [1, 2], delay: 0}}\n"

    network = read(text)

    assert [node.id for node in network.nodes] == ["1", "2"]


LINK = "links:\n  ab: {ends: [a, b], delay: 1 ms"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + NODES + LINK + ", dleay: 1 ms}", "m.yaml:7:35: unknown key `dleay` of links.ab: did you mean `delay`?"),
        (
            HEAD + NODES + "  a: {kind: host}\n" + LINK + "}",
            "m.yaml:6:3: `a` is given twice in `nodes`; the first is at line 4",
        ),
        (
            HEAD + NODES + LINK + "}\n  ac: {ends: [a, cc], delay: 1 ms}",
            "m.yaml:8:18: link `ac` leads to `cc`, which is not a node of this map",
        ),
        (
            HEAD + NODES + "links:\n  ab: {ends: [a, b], delay: -3 ms}",
            "m.yaml:7:29: links.ab.delay: delay must not be negative, got -3 ms",
        ),
        (
            HEAD + NODES + LINK + ", loss: 1.5}",
            "m.yaml:7:41: links.ab.loss: loss must lie between 0 and 1 (0 % and 100 %), got 1.5",
        ),
        (
            HEAD + NODES + LINK + ", rate: 0 Mbit}",
            "m.yaml:7:41: links.ab.rate: rate must be above zero; leave it out for an unlimited link, "
            "or fail the link by an event",
        ),
        (
            HEAD + NODES + LINK + ", rate: 5}",
            "m.yaml:7:41: links.ab.rate: 5 has no unit; write a rate like '5 Mbit'",
        ),
        (
            HEAD + NODES + LINK + ", jitter: 2}",
            "m.yaml:7:43: links.ab.jitter: 2 has no unit; write a duration like '2 ms'",
        ),
        (
            HEAD + NODES + LINK + ", forward: {delay: 3 parsec}}",
            "m.yaml:7:52: links.ab.forward.delay: '3 parsec': unknown unit 'parsec'; write a duration like '3 ms'",
        ),
        (
            HEAD + NODES + LINK + ", queue: 0}",
            "m.yaml:7:42: links.ab.queue: queue must hold at least one packet, got 0",
        ),
        (
            HEAD + NODES + LINK + ", queue: 1.5}",
            "m.yaml:7:42: links.ab.queue: expected a whole number, got the number 1.5",
        ),
        (
            HEAD + NODES + "  c: {kind: router}\n  d: {kind: router}\n  e: {kind: router}\n" + LINK + "}\n"
            "  cd: {ends: [c, d], delay: 1 ms}",
            "m.yaml:9:1: the map is in 3 pieces: 2 nodes (such as `a`), 2 nodes (such as `c`) and 1 node (`e`); "
            "join them by a link",
        ),
        (HEAD + NODES, "m.yaml:3:1: the map is in 2 pieces: 1 node (`a`) and 1 node (`b`); join them by a link"),
        (
            HEAD
            + NODES
            + "  h: {kind: host}\nlinks:\n  ah: {ends: [a, h], delay: 1 ms}\n  hb: {ends: [h, b], delay: 1 ms}",
            "m.yaml:7:1: hosts do not forward, and without them the map is in 2 pieces: 1 node (`a`) and 1 node (`b`); "
            "join the routers by a link",
        ),
        (
            HEAD + NODES + LINK + "}\ngroups: {west: [a, abc]}",
            "m.yaml:8:20: group `west` contains `abc`, which is neither a node nor a link of this map: "
            "did you mean `ab`?",
        ),
        (
            HEAD + "nodes: {a b: {kind: router}}",
            "m.yaml:3:9: nodes.a b: 'a b' cannot be a name: use 1 to 40 of the letters A-Z and a-z, digits, "
            "`.`, `_` and `-`",
        ),
        (
            HEAD + "nodes: {a: {kind: router, address: 300.1.1.1}}",
            "m.yaml:3:36: nodes.a.address: '300.1.1.1' is neither an IPv4 nor an IPv6 address; "
            "write it like 192.0.2.10 or 2001:db8::10",
        ),
        (
            HEAD + "nodes: {a: {kind: router, addresses: [127.0.0.1]}}",
            "m.yaml:3:39: nodes.a.addresses[1]: 127.0.0.1 is a loopback address, which cannot be the address of a node",
        ),
        (
            HEAD + "nodes: {a: {kind: router, address: 192.0.2.1}, b: {kind: router, address: 192.0.2.1}}\n"
            "links: {ab: {ends: [a, b], delay: 0}}",
            "m.yaml:3:75: address 192.0.2.1 of node `b` belongs to node `a` already",
        ),
        (HEAD + "nodes: {a: {}}", "m.yaml:3:9: the key `kind` of nodes.a is missing"),
        (
            HEAD + "nodes: {a: {kind: ruter}}",
            "m.yaml:3:19: nodes.a.kind: expected 'host', 'router' or 'segment', got the text 'ruter': "
            "did you mean `router`?",
        ),
        (
            HEAD + "nodes: {a: {kind: router, at: [91, 0]}}",
            "m.yaml:3:32: nodes.a.at[1]: must be less than or equal to 90, got 91",
        ),
        (HEAD + "nodes: {}", "m.yaml:3:8: nodes: the mapping must have at least 1 item, not 0"),
        (
            HEAD + NODES + "links:\n  ab: {ends: [a, b]}",
            "m.yaml:7:3: link `ab` has no delay: write one like `delay: 3 ms`, or give both ends their coordinates",
        ),
        (
            HEAD + NODES + LINK + "}\n  aa: {ends: [a, a], delay: 0}",
            "m.yaml:8:18: link `aa` leads from `a` to itself",
        ),
        (
            HEAD + NODES + LINK + "}\n  a: {ends: [a, b], delay: 0}",
            "m.yaml:8:3: link `a` has the name of a node; groups could not tell them apart",
        ),
        (
            "shadowlab: map/2\nname: m\nnodes: {a: {kind: host}}",
            "m.yaml:1:12: shadowlab: expected 'map/1', got the text 'map/2': this is map/2, of a newer "
            "ShadowLab than this one, which knows map/1: install that",
        ),
        ("[1]", "m.yaml:1:1: expected a mapping (`key: value`), got a list"),
    ],
)
def test_one_fault_has_its_place_and_its_words(text: str, message: str) -> None:
    assert faults(text) == [message]


def test_faults_of_form_and_faults_between_parts_come_together() -> None:
    text = HEAD + NODES + "links:\n  ab: {ends: [a, x], loss: 2, delay: 1 ms}\ngroups: {g: [y]}\n"

    found = faults(text)

    assert found == [
        "m.yaml:7:18: link `ab` leads to `x`, which is not a node of this map",
        "m.yaml:7:28: links.ab.loss: loss must lie between 0 and 1 (0 % and 100 %), got 2",
        "m.yaml:8:14: group `g` contains `y`, which is neither a node nor a link of this map",
    ]


_LEAF = st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "b", "router", "3 ms", "x y", "map/1", ""])
_KEYS = st.sampled_from(["shadowlab", "name", "nodes", "links", "groups", "ends", "a", "b", "kind", "at", "addresses"])


@given(st.recursive(_LEAF, lambda some: st.lists(some, max_size=3) | st.dictionaries(_KEYS, some, max_size=6)))
def test_no_shape_of_data_raises_anything_but_an_input_error(data: object) -> None:
    import json

    try:
        network = read_native(json.dumps(data).encode(), name="m")
    except InputError as error:
        assert error.faults
    else:
        assert network.nodes


def test_the_schema_for_editors_describes_a_map() -> None:
    schema = json_schema()

    assert set(schema["required"]) == {"shadowlab", "name", "nodes"}
    assert schema["additionalProperties"] is False
