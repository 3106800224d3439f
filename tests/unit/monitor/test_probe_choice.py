"""Which probe stands for a flow: a port that fits, else the flow's own identity."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.ports import Flow, NextHop
from shadowlab.model.flow import FlowSpec, Path
from shadowlab.monitor.probe_choice import FIRST_CHOSEN_PORT, MOST_PORTS, Takes, plain_streams, stream_along
from shadowlab.monitor.probe_stream import PROBER_PORT, REFLECTOR_PORT, ProbeKind, Stream
from shadowlab.monitor.ways import RunningFlow, Ways
from shadowlab.shadow.trace import Step, Trace, follower

AB = Path(source="a", target="b")
OWN = Flow("tcp", 20_000, 30_000)
PLAIN = Stream(path=3, source="a", target="b")


def flow(name: str, *, ipv6: bool) -> FlowSpec:
    return FlowSpec(id=name, source="a", target="b", flow_class="greedy", ipv6=ipv6)


def along(there: Takes, back: Takes, kind: ProbeKind = "auto") -> Stream:
    return stream_along(PLAIN, name="f", flow=OWN, there=there, back=back, kind=kind)


def never(_flow: Flow) -> bool:
    return False


def always(_flow: Flow) -> bool:
    return True


def test_a_path_is_probed_over_each_family_that_its_flows_use() -> None:
    flows = [flow("f", ipv6=True), flow("g", ipv6=False)]
    known = {"a": "fd00::1", "b": "fd00::2"}

    def families(some: Sequence[FlowSpec], book: dict[str, str]) -> list[bool]:
        return [one.ipv6 for one in plain_streams([AB], some, book)[0]]

    assert families(flows, known) == [False, True]
    assert families(flows[:1], known) == [True]
    assert families(flows[:1], {}) == [False], "the shadow has no IPv6"
    assert families([], known) == [False]


def test_the_first_port_that_fits_both_ways_is_taken() -> None:
    fits = FIRST_CHOSEN_PORT + 5

    made = along(
        lambda one: one.source_port >= fits - 2,
        lambda one: one == Flow("udp", REFLECTOR_PORT, fits),
    )

    assert (made.source_port, made.crafted, made.fidelity, made.flow) == (fits, False, "same way", "f")
    assert (made.path, made.there) == (3, Flow("udp", fits, REFLECTOR_PORT))


def test_the_usual_port_is_tried_first() -> None:
    assert along(always, always).source_port == PROBER_PORT


def test_where_no_port_fits_the_probe_takes_the_flows_own_identity() -> None:
    tried = []

    def there(one: Flow) -> bool:
        tried.append(one.source_port)
        return False

    made = along(there, never)

    assert len(set(tried)) == MOST_PORTS + 1
    assert (made.there, made.back) == (OWN, Flow("tcp", 30_000, 20_000))
    assert made.fidelity == "exact identity"
    assert along(there, never, "udp").fidelity == "any way"
    assert along(always, always, "tcp").fidelity == "exact identity"


def test_a_kernel_that_does_not_tell_its_ways_leaves_the_exact_identity() -> None:
    def refuse(name: str) -> Takes:
        def there(_flow: Flow) -> bool:
            raise KernelRefusedError(tried="ask", errno_name=name, why="")

        return there

    assert along(refuse("EOPNOTSUPP"), always).fidelity == "exact identity"
    with pytest.raises(KernelRefusedError):
        along(refuse("EPERM"), always)


class Door:
    """A line ``x`` - ``y`` - ``z`` whose ``y`` sends odd source ports elsewhere; remembers who was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def next_hop(
        self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
    ) -> NextHop | None:
        self.asked.append(node)
        odd = node == "y" and flow is not None and flow.source_port % 2 == 1
        return NextHop(interface="left" if odd else "right", via=None, local=False)


def test_who_parted_before_is_asked_first() -> None:
    door = Door()
    hop = NextHop(interface="right", via=None, local=False)
    way = Trace(directions=(), steps=(Step("x", None, hop), Step("y", "in", hop), Step("z", "in", hop)))
    takes = follower(door, way, "10.0.0.2", "10.0.0.1")

    assert [takes(Flow("udp", port, 1)) for port in (3, 5, 4)] == [False, False, True]

    assert door.asked == ["x", "y", "y", "y", "x", "z"]


class Told:
    """What was recorded, and what is to be followed."""

    def __init__(self) -> None:
        self.followed: list[tuple[int, str]] = []
        self.recorded: list[tuple[int, str]] = []

    def follow(self, path: int, streams: Sequence[Stream]) -> None:
        self.followed += [(path, one.fidelity) for one in streams]

    def record_trace(self, at_ns: int, path: str, hops: Sequence[str], flow: str = "") -> None:
        self.recorded.append((at_ns, path + flow))


@pytest.mark.parametrize(("kind", "fidelity"), [("auto", None), ("tcp", "exact identity")])
def test_ways_that_stay_are_recorded_and_followed_once(kind: ProbeKind, fidelity: str | None) -> None:
    class Local(Door):
        """Every address is everybody's own."""

        def next_hop(
            self, node: str, destination: str, source: str, arrived_by: str | None = None, flow: Flow | None = None
        ) -> NextHop | None:
            return NextHop(interface="lo", via=None, local=True)

    told = Told()
    ways = Ways(
        segment=Local(),
        prober=told,
        records=told,
        interface_directions={},
        gateways={},
        addresses={"a": "10.0.0.1", "b": "10.0.0.2"},
        addresses6={},
        streams=plain_streams([AB], [], {}),
        spreads=False,
        kind=kind,
    )
    running = [RunningFlow("f", "a", "b", False, OWN), RunningFlow("g", "a", "b", False, OWN)]

    for at_ns in (0, 5):
        ways.look(at_ns, running)

    assert told.followed == ([(0, fidelity)] if fidelity else [])
    assert told.recorded == [(0, "a→b"), (0, "b→a")]
    assert [(one["flow"], one["fidelity"]) for one in ways.choices] == [
        ("f", fidelity) if fidelity else ("", "only way")
    ]
