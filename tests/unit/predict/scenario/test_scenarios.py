"""What-if scenarios: each changes what it says, and what contradicts itself is refused in clear words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ahead_example import MS, S, situation
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.model.queue import Codel
from shadowlab.model.traffic.workload import Datagrams, Requests, Transfers
from shadowlab.predict.scenario.grid import read_text
from shadowlab.predict.scenario.kinds import applied
from shadowlab.predict.scenario.situation import Situation


def after(*texts: str) -> Situation:
    return applied([read_text(one) for one in texts], situation())


def users(found: Situation) -> int:
    return sum(len(one.clients) * one.connections for one in found.workloads if isinstance(one, Requests))


def test_growth_raises_rates_of_paced_flows_numbers_of_others_arrivals_and_users() -> None:
    found = after("growth=1.5")

    assert next(one.rate_bps for one in found.flows if one.id == "steady") == 1_500_000
    assert users(found) == 9
    assert next(one.arrivals.rate_per_s for one in found.workloads if isinstance(one, Transfers)) == 3.0
    assert next(one.rate_bps for one in found.workloads if isinstance(one, Datagrams)) == 96_000


@given(st.floats(0.1, 3), st.floats(0.01, 1))
def test_the_flows_of_less_growth_are_among_those_of_more(least: float, more: float) -> None:
    few = {one.id for one in applied([{"growth": least}], situation()).flows}
    many = {one.id for one in applied([{"growth": least + more}], situation()).flows}

    assert few <= many


@given(st.floats(0.2, 20))
def test_users_grow_to_the_nearest_whole_one(factor: float) -> None:
    assert users(applied([{"growth": factor}], situation())) == max(1, round(6 * factor))


def test_growth_of_a_part_leaves_the_rest_alone() -> None:
    found = after("growth=3,service=shop")

    assert next(one.rate_bps for one in found.flows if one.id == "steady") == 3_000_000
    assert found.flows[1:] == situation().flows[1:]
    assert found.workloads == situation().workloads


def test_a_failure_takes_links_away_and_all_links_of_a_node_or_group() -> None:
    assert "north-south" not in after("fail=north-south").network.links_by_id
    assert set(after("fail=north").network.links_by_id) == {"south-west", "db-south", "api-west"}
    assert set(after("drain=duct").network.links_by_id) == set(after("fail=north-south+north-west").network.links_by_id)


def test_a_failure_at_a_moment_is_an_event() -> None:
    found = after("fail=north-south,at=10s")

    assert found.network == situation().network
    assert found.happenings == ({"at": "10 s", "fail": "north-south"},)


def test_scaling_out_shares_flows_and_requests_and_copies_what_the_instance_can_serve() -> None:
    found = after("scale-out=db,count=2,on=west")

    assert [node.id for node in found.network.hosts] == ["web", "db", "api", "db-2", "db-3"]
    assert {one.b for one in found.network.links if one.a in ("db-2", "db-3")} == {"west"}
    assert {one.source for one in found.flows if one.id != "steady"} == {"db", "db-2", "db-3"}
    assert next(one.servers for one in found.workloads if isinstance(one, Requests)) == ("db", "db-2", "db-3")
    assert found.compute["db-3"] == found.compute["db"]


def test_scaling_in_takes_the_instance_away_and_its_work_to_another() -> None:
    found = after("scale-in=db,to=api+web")

    assert [node.id for node in found.network.hosts] == ["web", "api"]
    assert all("db" not in (one.source, one.target) for one in found.flows)
    assert found.compute == {}


def test_a_migration_is_a_copy_first_and_a_moved_instance_after() -> None:
    copying = after("migrate=db,to=north,copy=5MB,phase=copy")
    moved = after("migrate=db,to=north")

    assert copying.flows[-1].size_bytes == 5_000_000
    assert (copying.flows[-1].source, copying.flows[-1].target) == ("db", "db-new")
    assert moved.network.links_by_id["db-south"].b == "north"


def test_links_change_as_maps_write_them() -> None:
    network = after("degrade=north-south,loss=1%,towards=south", "latency-shift=north-west,by=-2ms").network

    assert network.links_by_id["north-south"].forward.loss == 0.01
    assert network.links_by_id["north-south"].backward.loss == 0
    assert network.links_by_id["north-west"].backward.delay_ns == 3 * MS


def test_queues_rates_metrics_and_new_links() -> None:
    network = after(
        "queue-change=north-west,kind=fq_codel", "upgrade=south-west,factor=2", "new-link=web:south,rate=5Mbit"
    ).network

    assert isinstance(network.links_by_id["north-west"].forward.queue, Codel)
    assert network.links_by_id["south-west"].forward.rate_bps == 20_000_000
    assert network.links_by_id["web-south"].forward.rate_bps == 5_000_000
    assert after("reroute=north-south,metric=9").network.links_by_id["north-south"].metric == 9
    assert after("reroute=web>db,path=north+west+south").network.source_routes[0].path == ("north", "west", "south")
    assert after("reroute=ecmp,spread=on").network.ecmp
    weighted = after("reroute=ecmp,spread=on", "reroute=north-south,weight=3").network
    assert weighted.ecmp and weighted.links_by_id["north-south"].weight == 3


def test_a_new_link_beside_one_is_like_it() -> None:
    before = after().network.links_by_id["north-south"]

    found = after("new-link=south:north").network.links_by_id["south-north"]
    wider = after("new-link=north:south,rate=7Mbit,metric=4").network.links_by_id["north-south-2"]

    assert (found.forward, found.backward) == (before.backward, before.forward)
    assert (found.metric, found.metric_of(found.directions[1])) == (before.metric, before.metric)
    assert wider.forward == replace(before.forward, rate_bps=7_000_000)
    assert wider.metric == wider.metric_of(wider.directions[1]) == 4


def test_congestion_control_and_host_limits() -> None:
    found = after("cc-change=bbr,from=db", "host-limit=db,workers=1,factor=2,send_buffer=16kB")

    assert {one.tcp.congestion_control for one in found.flows if one.source == "db"} == {"bbr"}
    assert {one.tcp.send_buffer_bytes for one in found.flows if one.source == "db"} == {16_000}
    assert (found.compute["db"].workers, found.compute["db"].service_ns.mean()) == (1, 8 * MS)
    assert found.flows[0].tcp == situation().flows[0].tcp


@pytest.mark.parametrize(
    ("text", "count"),
    [("burst=incast,on=db", 1), ("burst=flash-crowd,on=db,begin=5s,for=5s", 1), ("burst=ddos,on=db", 2)],
)
def test_a_burst_is_a_workload_more(text: str, count: int) -> None:
    found = after(text).workloads[3:]

    assert len(found) == count
    if "begin" in text:
        assert (found[0].begin_ns, found[0].end_ns) == (5 * S, 10 * S)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("growth=0",), "without any traffic there is nothing to ask"),
        (("growth=-1",), "must lie between 0.01 and 1000, got -1"),
        (("growth=1e9",), "must lie between 0.01 and 1000, got 1e"),
        (("fail=nowhere",), "the map has no link, node or group 'nowhere'"),
        (("fail=north-sout",), "did you mean `north-south`"),
        (("degrade=north-south,los=1%",), "unknown key `los`: did you mean `loss`"),
        (("degrade=north-south",), "what becomes worse"),
        (("latency-shift=north-south,by=-10ms",), "delay must not be negative"),
        (("scale-in=db",), "say who takes them over"),
        (("migrate=db,to=south",), "db is on south already"),
        (("host-limit=web,factor=2",), "has no compute model to change"),
        (("burst=ddos,on=db,size=1kB",), "size does not go with ddos; it takes rate"),
        (("reroute=web>db,path=west",), "no link leads from web to west"),
        (("growth=2", "growth=3"), "contradict each other"),
        (("fail=north-south", "degrade=north-south,loss=1%"), "contradict each other"),
        (("drain=north-south", "fail=north-south"), "contradict each other"),
        (("upgrade=north-south,factor=2", "fail=north"), "contradict each other"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        after(*texts)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_order_in_which_scenarios_are_written_changes_nothing(order: tuple[int, ...]) -> None:
    texts = ("growth=1.5", "fail=north-south", "scale-out=db")

    found: Any = after(*(texts[number] for number in order))

    assert (found.network, found.flows) == (after(*texts).network, after(*texts).flows)
