"""One short run of a shadow for calibration: a network and flows in, TCP records out, as production would give them.

In: a network, flows, a place to run on.  Out: connections with the sender's records.  Never: a probe: production has
none either, and calibration compares like with like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from shadowlab.lab.execute import LEAST_GUEST_BYTES, Place, Work, execute
from shadowlab.lab.job import Job
from shadowlab.lab.prepare import watched_interfaces
from shadowlab.model.flow import FlowSpec
from shadowlab.model.network import Network
from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.model.traffic.workload import Workload
from shadowlab.model.units import NS_PER_S
from shadowlab.predict.cost import count_parts, map_cost
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.transport import plan_transport, with_windows
from shadowlab.store.reader import read_records
from shadowlab.store.recorder import ENDING
from shadowlab.telemetry.attach import Connection
from shadowlab.telemetry.tcp_info import fields_of_bytes
from shadowlab.topology.addressing import address, gateways_of, leaving_of, owners_of
from shadowlab.topology.routing import shortest_routes
from shadowlab.traffic.engine import FIRST_SOURCE_PORT, FIRST_TARGET_PORT

_NO_CONNECTION = 2 | 4
"""Flags of a sample without a connection: the last one failed, or the flow has not begun."""


def shadow_job(
    network: Network,
    flows: Sequence[FlowSpec],
    *,
    duration_ns: int,
    seed: int,
    sample_every_ns: int = NS_PER_S,
    workloads: Sequence[Workload] = (),
) -> Job:
    """The job of driving ``flows`` and ``workloads`` over ``network``, without probes and without events; parts
    of it that no flow joins need not hang together."""
    fabric = address(network)
    transport = plan_transport(flows, fabric)
    routes = with_windows(shortest_routes(network, fabric, partial=True), transport)
    plan = build_plan(network, fabric, routes, transport.settings)
    return Job(
        seed=seed,
        duration_ns=duration_ns,
        sample_every_ns=sample_every_ns,
        probe_every_ns=duration_ns,
        build=plan,
        addresses=fabric.node_address,
        interface_directions=leaving_of(fabric),
        flows=tuple(flows),
        paths=(),
        watched=watched_interfaces(plan),
        timeline=(),
        addresses6=fabric.node_address6,
        gateways=gateways_of(fabric),
        spreads=network.ecmp,
        owners=owners_of(fabric),
        workloads=tuple(workloads),
    )


def run_shadows(
    place: Place,
    jobs: Sequence[tuple[str, Job]],
    folder: Path,
    *,
    expected_wall_s: float,
    on_progress: Callable[[str, float], None],
    interrupted: Callable[[], bool],
) -> list[list[Connection]]:
    """Run jobs, named, each in a folder of its own under ``folder``; what each one's senders recorded."""
    works = [
        Work(
            name=name,
            job=job,
            folder=folder / f"{number}",
            expected_wall_s=expected_wall_s,
            memory_bytes=max(LEAST_GUEST_BYTES, map_cost(count_parts(job.build), place.kind).guest_bytes),
        )
        for number, (name, job) in enumerate(jobs)
    ]
    execute(place, works, on_progress, interrupted)
    return [connections_of(work.folder, work.job) for work in works]


def connections_of(folder: Path, job: Job) -> list[Connection]:
    """One connection per flow that ever had one, from the raw records of a run; counters are those of its last attempt.

    Times are nanoseconds since the run's start; ports follow from the order of flows, as the engine gives them.
    """
    rows = read_records(folder / f"tcp{ENDING}")
    records: dict[int, list[TcpRecord]] = {number: [] for number in range(len(job.flows))}
    attempts: dict[int, int] = {}
    ends = _ends(job)
    infos = rows.strings
    if infos is not None:
        columns = zip(rows["at_ns"], rows["flow"], rows["flags"], rows["attempt"], infos, strict=True)
        for at_ns, flow, flags, attempt, info in columns:
            number = int(flow)
            if int(flags) & _NO_CONNECTION or not info:
                continue
            if attempts.get(number) != int(attempt):
                attempts[number], records[number] = int(attempt), []
            spec = job.flows[number]
            (source, source_port), (target, target_port) = ends[number]
            known = fields_of_bytes(info) | {
                "at_ns": int(at_ns),
                "instance": spec.source,
                "local_address": source,
                "local_port": source_port,
                "peer_address": target,
                "peer_port": target_port,
                "congestion_control": spec.tcp.congestion_control,
                "source": "shadow",
            }
            records[number].append(record_of(known))
    return [
        Connection(
            source=spec.source,
            target=spec.target,
            source_address=ends[number][0][0],
            source_port=ends[number][0][1],
            target_address=ends[number][1][0],
            target_port=ends[number][1][1],
            sender_records=tuple(records[number]),
            receiver_records=(),
        )
        for number, spec in enumerate(job.flows)
        if records[number]
    ]


def _ends(job: Job) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Address and port of both ends of each flow."""
    out: dict[str, int] = {}
    to: dict[str, int] = {}
    found = []
    for spec in job.flows:
        outward, inward = out.get(spec.source, 0), to.get(spec.target, 0)
        out[spec.source], to[spec.target] = outward + 1, inward + 1
        at = job.addresses6 if spec.ipv6 and job.addresses6 else job.addresses
        found.append(
            (
                (at[spec.source], FIRST_SOURCE_PORT + outward),
                (at[spec.target], FIRST_TARGET_PORT + inward),
            )
        )
    return found
