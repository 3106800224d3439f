"""The sections ``traffic`` and ``compute`` of a scenario: every kind read, every fault told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from shadowlab.errors import InputError
from shadowlab.lab.scenario import Scenario, load_scenario
from shadowlab.lab.workloads.quantities import arrivals, sizes, times
from shadowlab.lab.workloads.resolve import MOST_PROBED, pairs, probed_pairs, resolve_workloads
from shadowlab.model.flow import Path as Pair
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.model.traffic.distribution import Distribution, constant
from shadowlab.model.traffic.workload import (
    Compute,
    Datagrams,
    Incast,
    Lookups,
    Program,
    Replay,
    Requests,
    Transfers,
    Workload,
)
from shadowlab.topology.formats import load_map

MS, S = 10**6, 10**9
ABILENE = Path(__file__).parents[3] / "topologies" / "abilene.yaml"
EVERY_KIND: list[dict[str, Any]] = [
    {"transfers": "web", "from": ["web-sea"], "to": "all", "arrivals": "50/s", "size": {"exponential": "10 kB"}},
    {
        "requests": "api",
        "clients": "web-sea",
        "servers": ["db-nyc"],
        "request": "400 B",
        "response": {"lognormal": {"median": "10 kB", "sigma": 1.2}},
        "think": {"exponential": "1 s"},
        "tcp": {"congestion_control": "bbr", "window": "64 kB", "ecn": True, "dscp": 46},
        "timeout": "2 s",
    },
    {"incast": "in", "aggregator": "web-sea", "workers": "all", "response": "20 kB", "every": "100 ms", "rounds": 3},
    {"datagrams": "voip", "from": "web-sea", "to": "db-nyc", "rate": "64 kbit", "payload": "160 B"},
    {
        "lookups": "dns",
        "clients": "all",
        "servers": "web-sea",
        "arrivals": {"rate": "10/s", "on": "1 s", "off": {"exponential": "2 s"}},
        "request": "60 B",
        "response": "200 B",
    },
    {"program": "watch", "node": "web-sea", "command": "iperf3 -s -p '5 201'", "begin": "1 s", "end": "9 s"},
    {
        "replay": "old",
        "node": "web-sea",
        "file": "old.pcap",
        "addresses": {"192.0.2.1": "web-sea", "192.0.2.2": "db-nyc"},
    },
]


def scenario(folder: Path, traffic: object, **others: object) -> Scenario:
    (folder / "old.pcap").write_bytes(b"")
    document = {
        "shadowlab": "scenario/1",
        "name": "one",
        "map": str(ABILENE),
        "duration": "60 s",
        "baseline": {"from": "5 s", "to": "30 s"},
        "traffic": traffic,
    }
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump({**document, **others}, sort_keys=False))
    return load_scenario(path, known_detectors=frozenset({"zscore", "panel"}))


def faults(folder: Path, traffic: object, **others: object) -> str:
    with pytest.raises(InputError) as caught:
        scenario(folder, traffic, **others)
    return str(caught.value)


def test_every_kind_is_read_and_survives_the_job(tmp_path: Path) -> None:
    read = scenario(tmp_path, EVERY_KIND, compute={"web-sea": {"workers": 2, "service": "3 ms", "queue": 10}})
    kinds = [Transfers, Requests, Incast, Datagrams, Lookups, Program, Replay]
    assert [type(one) for one in read.traffic] == kinds
    web, api, incast, voip, dns, program, replay = read.traffic
    assert isinstance(web, Transfers) and web.arrivals.rate_per_s == 50
    assert isinstance(api, Requests) and (api.tcp.congestion_control, api.tcp.window_bytes) == ("bbr", 64_000)
    assert (api.tcp.ecn, api.tcp.dscp, api.timeout_ns, api.think_ns.mean()) == (True, 46, 2 * S, S)
    assert isinstance(incast, Incast) and (incast.every_ns, incast.rounds) == (100 * MS, 3)
    assert isinstance(voip, Datagrams) and (voip.rate_bps, voip.payload_bytes) == (64_000, 160)
    assert isinstance(dns, Lookups) and dns.arrivals.process == "on-off"
    assert isinstance(program, Program) and program.argv == ("iperf3", "-s", "-p", "5 201")
    assert isinstance(replay, Replay) and replay.addresses == {"192.0.2.1": "web-sea", "192.0.2.2": "db-nyc"}
    assert read.compute == {"web-sea": Compute(workers=2, service_ns=constant(3 * MS), queue=10)}
    assert from_plain(tuple[Workload, ...], to_plain(read.traffic)) == read.traffic


def test_all_becomes_every_host_and_nobody_talks_to_himself(tmp_path: Path) -> None:
    network = load_map(ABILENE)
    found = resolve_workloads(scenario(tmp_path, EVERY_KIND).traffic, {}, network, place="one.yaml")
    web = found[0]
    assert isinstance(web, Transfers) and len(web.targets) == len(network.hosts)
    assert Pair(source="web-sea", target="web-sea") not in set(pairs(web))
    assert len(list(pairs(web))) == len(network.hosts) - 1
    assert set(pairs(web)) < set(probed_pairs(found))
    assert len(probed_pairs([one for one in found if isinstance(one, Transfers)] * 50)) <= MOST_PROBED


def test_nodes_that_the_map_does_not_have_are_told(tmp_path: Path) -> None:
    read = scenario(tmp_path, [{**EVERY_KIND[0], "from": "web-se"}, {**EVERY_KIND[3], "to": "web-sea"}])
    with pytest.raises(InputError) as caught:
        resolve_workloads(
            read.traffic, {"nobody": Compute(workers=1, service_ns=constant(1))}, load_map(ABILENE), place="p"
        )
    told = str(caught.value)
    assert "traffic web: the map has no node 'web-se': did you mean `web-sea`?" in told
    assert "traffic voip: no two different nodes" in told
    assert "compute: the map has no node 'nobody'" in told


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": "web-serch"}, "traffic[1].size: no distribution is called 'web-serch'"),
        ({"size": {"pareto": {"least": "1 kB"}}}, "traffic[1].size: pareto takes least, most, shape; got least"),
        ({"size": {"empirical": [["1 kB", "50 %"]]}}, "the last share must be 1"),
        ({"arrivals": "50"}, "traffic[1].arrivals: '50' is not a rate of arrivals; write it like `50/s`"),
        ({"arrivals": {"rate": "5/s", "on": "1 s"}}, "arrivals are {rate}"),
        ({"sise": "1 kB"}, "did you mean `size`?"),
        ({"begin": "70 s"}, "traffic[1].begin: must lie within the run's 60 s"),
        ({"begin": "7 s", "end": "6 s"}, "traffic[1].end: must come after `begin`"),
        ({"tcp": {"dscp": 64}}, "traffic[1].tcp.dscp"),
        ({"requests": "both"}, "a workload is exactly one of transfers, requests"),
    ],
)
def test_faults_have_their_place(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    told = faults(tmp_path, [{**EVERY_KIND[0], **change}])
    assert words in told and "one.yaml:" in told


def test_a_scenario_needs_something_to_drive(tmp_path: Path) -> None:
    assert "neither `telemetry` nor `traffic`" in faults(tmp_path, [])
    assert "'web' is given twice" in faults(tmp_path, [EVERY_KIND[0], EVERY_KIND[0]])
    assert "goes with `telemetry`" in faults(tmp_path, EVERY_KIND, telemetry_rules="rules.yaml")
    mixed = {**EVERY_KIND[3], "imix": "aaz"}
    assert "not both" in faults(tmp_path, [mixed])
    del mixed["payload"]
    assert "a 64, b 128" in faults(tmp_path, [mixed])
    assert "'gone.pcap' is not a file" in faults(tmp_path, [{**EVERY_KIND[6], "file": "gone.pcap"}])
    assert "state `think`, or `arrivals`" in faults(
        tmp_path, [{k: v for k, v in EVERY_KIND[1].items() if k != "think"}]
    )


def test_quantities_are_in_bytes_and_nanoseconds() -> None:
    assert sizes("64 kB") == constant(64_000)
    assert times({"uniform": {"least": "1 ms", "most": "3 ms"}}).mean() == 2 * MS
    assert sizes({"empirical": [["1 kB", "50 %"], ["3 kB", 1]]}) == Distribution(
        family="empirical", points=((1_000.0, 0.5), (3_000.0, 1.0))
    )
    assert arrivals("30/min").rate_per_s == 0.5
    assert arrivals({"at": ["2 s", "1 s"]}).at_ns == (S, 2 * S)
    for wrong in (True, None, [], "-1 kB", {"constant": "1 kB", "uniform": 1}):
        with pytest.raises(ValueError, match=r"."):
            sizes(wrong)
