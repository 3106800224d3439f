"""The fault domain: which links, how sure, since when, and what hangs on them."""

from __future__ import annotations

from itertools import pairwise

from shadowlab.localize.domain import fault_domain, hit_groups, unseen_directions
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Direction, Link, Network, Node
from shadowlab.model.verdict import Anomaly, PathEvidence

NETWORK = Network(
    name="bar",
    nodes=(
        Node(id="a", kind="host"),
        Node(id="b", kind="host"),
        Node(id="c", kind="host"),
        Node(id="d", kind="host"),
        Node(id="r", kind="router"),
        Node(id="s", kind="router"),
    ),
    links=(
        Link(id="a-r", a="a", b="r"),
        Link(id="r-s", a="r", b="s"),
        Link(id="b-s", a="b", b="s"),
        Link(id="c-r", a="c", b="r"),
        Link(id="d-s", a="d", b="s"),
        Link(id="spare", a="r", b="s"),
    ),
    groups={"core": ("r", "s"), "trunk": ("r-s",), "edge": ("a-r", "c-r")},
)
HOPS = {"a": "r", "b": "s", "c": "r", "d": "s"}
FLOWS = tuple(
    FlowSpec(id=f"{source}→{target}:80", source=source, target=target, flow_class="greedy")
    for source in HOPS
    for target in HOPS
    if source != target
)


def round_trip(source: str, target: str) -> tuple[Direction, ...]:
    middle = HOPS[source], HOPS[target]
    nodes = [source, *dict.fromkeys(middle), target]
    there = []
    for one, two in pairwise(nodes):
        link = next(link for link in NETWORK.links if {link.a, link.b} == {one, two})
        there.append(Direction(link=link.id, source=one, target=two))
    return (*there, *(direction.reverse for direction in there))


def evidence(lost: int = 0, delay_ns: float = 0.0) -> list[PathEvidence]:
    """All pairs; those across r-s lose ``lost`` of 1000 and wait ``delay_ns`` longer."""
    found = []
    for flow in FLOWS:
        across = "r-s" in {direction.link for direction in round_trip(flow.source, flow.target)}
        found.append(
            PathEvidence(
                path=f"{flow.source}→{flow.target}",
                directions=round_trip(flow.source, flow.target),
                sent=1000,
                lost=lost if across else 0,
                excess_delay_ns=delay_ns if across else 0.0,
                delay_noise_ns=1e5,
            )
        )
    return found


def anomaly(path: str, onset_ns: int = 50) -> Anomaly:
    return Anomaly(
        path=path, onset_ns=onset_ns, detected_ns=onset_ns + 3, score=9, leading_kpi="loss", zscores={}, detector="z"
    )


PATHS = ("a→b", "a→d", "b→a", "b→c", "c→b", "c→d", "d→a", "d→c")
ACROSS = [anomaly(path, 50 + index) for index, path in enumerate(PATHS)]


def test_the_shared_link_is_the_fault_domain() -> None:
    domain = fault_domain(ACROSS, evidence(lost=50), NETWORK, FLOWS)

    assert domain is not None
    assert (domain.links, domain.kind, domain.onset_ns) == (("r-s",), "loss", 50)
    assert domain.confidence > 0.8
    assert domain.affected_paths == PATHS
    assert domain.affected_flows == tuple(f"{path}:80" for path in PATHS)
    assert domain.suspects[0].paths_affected == domain.suspects[0].paths_crossing == 8


def test_round_trips_leave_the_direction_open() -> None:
    domain = fault_domain(ACROSS, evidence(lost=50), NETWORK, FLOWS)

    assert domain is not None
    assert domain.suspects[0].name == "r>s or s>r"


def test_a_path_that_suffers_elsewhere_is_not_part_of_it() -> None:
    domain = fault_domain([*ACROSS, anomaly("a→c", 3)], evidence(lost=50), NETWORK, FLOWS)

    assert domain is not None
    assert "a→c" not in domain.affected_paths
    assert domain.onset_ns == 50


def test_the_kind_follows_the_evidence() -> None:
    slow = fault_domain(ACROSS, evidence(delay_ns=9e6), NETWORK, FLOWS)
    both = fault_domain(ACROSS, evidence(lost=60, delay_ns=9e6), NETWORK, FLOWS)

    assert slow is not None and slow.kind == "delay"
    assert both is not None and both.kind == "loss and delay"


def test_without_an_anomaly_nothing_is_wrong() -> None:
    assert fault_domain([], evidence(lost=50), NETWORK, FLOWS) is None


def test_anomalies_that_no_link_explains_stay_unknown() -> None:
    domain = fault_domain(ACROSS, evidence(), NETWORK, FLOWS)

    assert domain is not None
    assert (domain.links, domain.kind, domain.confidence) == ((), "unknown", 0.0)
    assert domain.affected_paths == PATHS


def test_groups_say_how_much_of_them_is_hit() -> None:
    assert hit_groups(NETWORK, ("r-s",)) == ("core (1 of 2 links)", "trunk")
    assert hit_groups(NETWORK, ("a-r", "c-r")) == ("edge",)
    assert hit_groups(NETWORK, ("b-s",)) == ()


def test_what_carried_nothing_is_listed() -> None:
    assert unseen_directions(NETWORK, evidence()) == ("spare:r>s", "spare:s>r")
