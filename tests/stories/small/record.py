"""Record ``before.ss``: three real TCP transfers over the map beside this file, as the real ``ss`` sees them.

Run it as ``.venv/bin/python tests/stories/small/record.py``; the same seed gives the same bytes.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.flow import FlowSpec
from shadowlab.model.flow import Path as FlowPath
from shadowlab.model.traffic.tcp_options import TcpOptions
from shadowlab.monitor.layout import EVENTS_FILE
from shadowlab.shadow.ops import RunScript, TimedChange
from shadowlab.shadow.plan import build_plan
from shadowlab.topology.addressing import address
from shadowlab.topology.formats import load_map
from shadowlab.topology.routing import shortest_routes

HERE = Path(__file__).parent
S = 10**9
MOMENTS = {10 * S: "2026-11-22T09:00:10Z", 25 * S: "2026-11-22T09:00:25Z"}
BBR, RENO = TcpOptions(congestion_control="bbr"), TcpOptions(congestion_control="reno")
FLOWS = (
    FlowSpec(id="one", source="web", target="db", flow_class="paced", rate_bps=400_000),
    FlowSpec(
        id="two",
        source="web",
        target="api",
        flow_class="paced",
        rate_bps=300_000,
        tcp=BBR,
    ),
    FlowSpec(
        id="three",
        source="api",
        target="db",
        flow_class="paced",
        rate_bps=200_000,
        tcp=RENO,
    ),
)


def main() -> None:
    """Record and write."""
    network = load_map(HERE / "map.yaml")
    fabric = address(network)
    plan = build_plan(network, fabric, shortest_routes(network, fabric))
    ask = [
        RunScript(node=host.id, name="ss", text="exec ss -tinOHm\n", environment=(), timeout_ns=S)
        for host in network.hosts
    ]
    job = Job(
        seed=1,
        duration_ns=30 * S,
        sample_every_ns=S,
        probe_every_ns=S,
        build=plan,
        addresses=fabric.node_address,
        interface_directions={f"{i.node}/{i.name}": f"{i.link}|{i.node}|{i.peer}" for i in fabric.interfaces},
        flows=FLOWS,
        paths=(FlowPath(source="web", target="db"),),
        watched=watched_interfaces(plan),
        timeline=tuple(TimedChange(at_ns=at_ns, reason=stamp, ops=tuple(ask)) for at_ns, stamp in MOMENTS.items()),
    )
    with tempfile.TemporaryDirectory() as folder:
        run_in_guest(
            kernel=need_kernel("virtual"),
            entry="shadowlab.lab.inside:run",
            job=job.to_bytes(),
            folder=Path(folder),
            clock="virtual",
            seed=job.seed,
            virtual_deadline_ns=90 * S,
            wall_deadline_s=300,
        )
        events = [json.loads(line) for line in (Path(folder) / EVENTS_FILE).read_text().splitlines()]
    lines = [
        "# Real TCP transfers on a Linux kernel, as `ss -tinOHm` prints them; recorded by record.py beside this file."
    ]
    for event, host in zip(events, network.hosts * len(MOMENTS), strict=True):
        lines.append(f"# instance {host.id} at {event['reason']}")
        lines += [line.rstrip() for line in event["outcome"]["output"].splitlines()]
    (HERE / "before.ss").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
