"""Record the telemetry that the Abilene scenarios ship: real TCP transfers, seen by the real ``ss``.

A stand-in for production is built on the embedded kernel from the same map, but not with its figures: its fibres are a
little longer than the crow flies, and its trunks carry a trace of loss.  A workload of some 44 connections runs on it,
``ss -tinOHm`` is asked in every instance at four moments, and the incident happens between the second and the third.

Run it as ``.venv/bin/python scripts/record_telemetry.py``; it writes ``topologies/abilene/{before,after}.ss``.
"""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.fabric import Fabric
from shadowlab.model.flow import FlowClass, FlowSpec
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.impairment import Impairment
from shadowlab.model.network import Network
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.monitor.layout import EVENTS_FILE
from shadowlab.shadow.ops import RunScript, TimedChange
from shadowlab.shadow.plan import build_plan, impair_ops
from shadowlab.topology.addressing import address, leaving_of
from shadowlab.topology.formats import load_map
from shadowlab.topology.routing import shortest_routes

FOLDER = Path(__file__).parents[1] / "topologies"
SEED = 20261120
S = 10**9
START = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)
BEFORE_NS = (60 * S, 120 * S)
EVENT_NS = 150 * S
AFTER_NS = (170 * S, 230 * S)
DURATION_NS = 235 * S
SERVICES = (  # source prefix, target prefix, class, rate, how many, congestion control
    ("web", "api", "paced", 320_000, 9, "cubic"),
    ("api", "db", "paced", 450_000, 8, "cubic"),
    ("cdn", "web", "paced", 700_000, 8, "bbr"),
    ("web", "log", "paced", 120_000, 5, "cubic"),
    ("api", "cache", "paced", 220_000, 4, "reno"),
    ("auth", "db", "paced", 90_000, 4, "cubic"),
    ("db", "backup", "receiver-limited", None, 4, "cubic"),
    ("cdn", "cdn", "paced", 500_000, 2, "bbr"),
)


def production(network: Network) -> Network:
    """The same map as it truly is: longer fibres, a trace of loss on the trunks."""
    rng = random.Random(SEED)

    def truly(one: Impairment, trunk: bool) -> Impairment:
        return replace(one, delay_ns=round(one.delay_ns * rng.uniform(1.02, 1.12)), loss=2e-5 if trunk else 0.0)

    links = []
    for link in network.links:
        trunk = not network.is_access(link)
        forward = truly(link.forward, trunk)
        links.append(
            replace(link, forward=forward, backward=replace(truly(link.backward, trunk), delay_ns=forward.delay_ns))
        )
    return network.with_links(*links)


def workload(network: Network) -> tuple[FlowSpec, ...]:
    """The connections, from a fixed seed."""
    rng = random.Random(SEED + 1)
    flows = []
    for source, target, kind, rate, count, control in SERVICES:
        pairs = [
            (a.id, b.id)
            for a in network.hosts
            for b in network.hosts
            if a.id != b.id and a.id.startswith(source + "-") and b.id.startswith(target + "-")
        ]
        for number in range(count):
            a, b = pairs[number % len(pairs)] if number >= len(pairs) else rng.choice(pairs)
            flow_class: FlowClass = kind  # type: ignore[assignment]
            flows.append(
                FlowSpec(
                    id=f"{a}-{b}-{len(flows)}",
                    source=a,
                    target=b,
                    flow_class=flow_class,
                    rate_bps=None if rate is None else round(rate * rng.uniform(0.6, 1.4)),
                    tcp=TcpOptions(
                        window_bytes=9_000 if kind == "receiver-limited" else None, congestion_control=control
                    ),
                    start_ns=round(rng.uniform(0, 10) * S),
                )
            )
    return tuple(flows)


def job(network: Network, fabric: Fabric) -> Job:
    """The whole recording."""
    plan = build_plan(network, fabric, shortest_routes(network, fabric))
    asks = [
        TimedChange(
            at_ns=at,
            reason=f"ss {at}",
            ops=tuple(
                RunScript(node=host.id, name="ss", text="exec ss -tinOHm\n", environment=(), timeout_ns=S)
                for host in network.hosts
            ),
        )
        for at in BEFORE_NS + AFTER_NS
    ]
    link = network.links_by_id["kan-ind"]
    worse = [
        op
        for one in link.directions
        for op in impair_ops(fabric, network, one, replace(link.impairment(one), loss=0.027))
    ]
    incident = TimedChange(at_ns=EVENT_NS, reason="incident", ops=tuple(worse))
    return Job(
        seed=SEED,
        duration_ns=DURATION_NS,
        sample_every_ns=S,
        probe_every_ns=S,
        build=plan,
        addresses=fabric.node_address,
        interface_directions=leaving_of(fabric),
        flows=workload(network),
        paths=(FlowPath(source="web-sea", target="db-nyc"),),
        watched=watched_interfaces(plan)[:1],
        timeline=tuple(sorted([*asks, incident], key=lambda change: change.at_ns)),
    )


def dumps(events: list[dict[str, object]], network: Network, moments: tuple[int, ...]) -> str:
    """The text of one telemetry file."""
    lines = [
        "# Real TCP transfers on a Linux kernel, as `ss -tinOHm` prints them, in every instance of a stand-in for",
        "# production; recorded by scripts/record_telemetry.py.",
    ]
    for moment in moments:
        outputs = [one["outcome"]["output"] for one in events if one["reason"] == f"ss {moment}"]  # type: ignore[index]
        stamp = datetime.fromtimestamp(START.timestamp() + moment / S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for host, output in zip(network.hosts, outputs, strict=True):
            lines.append(f"# instance {host.id} at {stamp}")
            lines += [line.rstrip() for line in output.splitlines()]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Record and write."""
    network = production(load_map(FOLDER / "abilene.yaml"))
    fabric = address(network)
    with tempfile.TemporaryDirectory() as folder:
        run_in_guest(
            kernel=need_kernel("virtual"),
            entry="shadowlab.lab.inside:run",
            job=job(network, fabric).to_bytes(),
            folder=Path(folder),
            clock="virtual",
            seed=SEED,
            virtual_deadline_ns=DURATION_NS + 60 * S,
            wall_deadline_s=600,
            on_line=print,
        )
        print((Path(folder) / "inside.json").read_text()[:2000])
        events = [json.loads(line) for line in (Path(folder) / EVENTS_FILE).read_text().splitlines()]
    for name, moments in (("before", BEFORE_NS), ("after", AFTER_NS)):
        path = FOLDER / "abilene" / f"{name}.ss"
        path.write_text(dumps(events, network, moments))
        print(path, len(path.read_text().splitlines()), "lines")


if __name__ == "__main__":
    main()
