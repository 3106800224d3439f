# ruff: noqa: T201
"""What the traffic tests run inside the guest: build a network, drive it, watch it.  Imported there: imports little."""

from __future__ import annotations

import pickle
import time
from dataclasses import dataclass, field

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.kernel.ports import Hop, InitialWindows
from shadowlab.model.fabric import Fabric, Route
from shadowlab.model.flow import FlowSpec, Path, Reading
from shadowlab.model.network import Network
from shadowlab.monitor.observe import Observer
from shadowlab.monitor.probe_choice import plain_streams
from shadowlab.monitor.probes import Prober
from shadowlab.monitor.raw_files import RawFiles
from shadowlab.traffic.engine import Engine


@dataclass(kw_only=True)
class Scene:
    """Everything a guest run needs, decided outside."""

    network: Network
    fabric: Fabric
    routes: tuple[Route, ...]
    flows: tuple[FlowSpec, ...] = ()
    paths: tuple[Path, ...] = ()
    duration_ns: int
    seed: int = 1
    reading: Reading = "kernel"
    probe_every_ns: int = 200_000_000
    scale: tuple[tuple[int, float], ...] = ()
    profile: bool = False
    interfaces: list[tuple[str, str]] = field(default_factory=list)


def watched(scene: Scene) -> list[tuple[str, str]]:
    """(node, interface) where each direction's netem sits, in the order of the network's directions."""
    places = []
    for direction in scene.network.directions:
        interface = scene.fabric.by_direction[direction]
        if scene.network.nodes_by_id[direction.source].kind == "host":
            places.append((interface.peer, f"i-{interface.peer_name}"[:15]))
        else:
            places.append((interface.node, interface.name))
    return places


def build(segment: LinuxSegment, scene: Scene) -> None:
    network, fabric = scene.network, scene.fabric
    for node in network.nodes:
        segment.create_namespace(node.id)
        if node.kind == "router":
            segment.set_sysctl(node.id, "net/ipv4/ip_forward", "1")
        segment.add_address(node.id, "lo", fabric.node_address[node.id], 32)
    for link in network.links:
        a, b = (fabric.by_direction[one] for one in link.directions)
        segment.create_veth(
            node_a=a.node, name_a=a.name, mac_a=a.mac, node_b=b.node, name_b=b.name, mac_b=b.mac, mtu=1500, alias="t"
        )
        for one in (a, b):
            segment.add_address(one.node, one.name, one.address, one.prefix)
    for (node, name), direction in zip(watched(scene), network.directions, strict=True):
        if network.nodes_by_id[direction.source].kind == "host":
            segment.redirect_ingress(node, fabric.by_direction[direction].peer_name, name)
        segment.set_netem(node, name, network.impairment(direction))
    for one in fabric.interfaces:
        segment.set_link_up(one.node, one.name, up=True)
    segment.wait_for_links([(one.node, one.name) for one in fabric.interfaces])
    for one in fabric.interfaces:
        segment.add_neighbour(one.node, one.name, one.peer_address, one.peer_mac)
    for route in scene.routes:
        windows = InitialWindows(route.initial_cwnd, route.initial_rwnd)
        hop = Hop(route.interface, route.via)
        segment.replace_route(route.node, route.destination, route.prefix, (hop,), windows=windows)


def run(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as job:
        scene: Scene = pickle.load(job)
    enter_private_segment()  # the guest's first namespace has interfaces of its own
    with LinuxSegment("test") as segment:
        build(segment, scene)
        start_ns = (time.monotonic_ns() // 10**9 + 1) * 10**9
        with Loop() as loop, RawFiles(folder) as files:
            addresses = scene.fabric.node_address
            engine = Engine(
                loop=loop,
                segment=segment,
                flows=scene.flows,
                addresses=addresses,
                seed=scene.seed,
                reading=scene.reading,
            )
            prober = Prober(
                loop=loop,
                segment=segment,
                streams=plain_streams(scene.paths, scene.flows, {}),
                addresses=addresses,
                seed=scene.seed,
                records=files.rows("probes"),
                probe_every_ns=scene.probe_every_ns,
            )
            with engine, prober:
                observer = Observer(
                    loop=loop, segment=segment, flows=engine.drives, interfaces=watched(scene), files=files
                )
                engine.start(start_ns)
                prober.start(start_ns, scene.duration_ns)
                observer.start(start_ns, scene.duration_ns)
                for at_ns, factor in scene.scale:
                    loop.at(start_ns + at_ns, lambda _, factor=factor: engine.scale((), factor))
                _drive(loop, start_ns + scene.duration_ns, scene.profile)
                for name, one in engine.summary().items():
                    files.record_event(scene.duration_ns, "end", name, one)
                files.record_event(
                    scene.duration_ns, "end", "prober", {"refused": prober.refused, "strays": prober.strays}
                )
                late = loop.lateness()
                print(f"timers {late.timers}, late max {late.max_ns} ns, p99 {late.p99_ns} ns")
    return 0


def run_again(job_path: str, folder: str) -> int:
    """The flows, and again at once in the same network: twice from other ports where need be, then from the same."""
    with open(job_path, "rb") as job:
        scene: Scene = pickle.load(job)
    enter_private_segment()
    with LinuxSegment("test") as segment:
        build(segment, scene)
        for other_ports in (False, True, True, False):
            with (
                Loop() as loop,
                Engine(
                    loop=loop,
                    segment=segment,
                    flows=scene.flows,
                    addresses=scene.fabric.node_address,
                    seed=scene.seed,
                    other_ports=other_ports,
                ) as engine,
            ):
                begin_ns = loop.catch_up()
                engine.start(begin_ns)
                loop.run_until(begin_ns + scene.duration_ns)
                for drive, (name, one) in zip(engine.drives, engine.summary().items(), strict=True):
                    print(
                        drive.ports[0], name, one["state"], one["failures"], one["received_bytes"], one["last_failure"]
                    )
    return 0


def run_one_by_one(job_path: str, folder: str) -> int:
    """Each flow by itself: what it differs in, or why it cannot run."""
    with open(job_path, "rb") as job:
        scene: Scene = pickle.load(job)
    enter_private_segment()
    with LinuxSegment("test") as segment:
        build(segment, scene)
        for spec in scene.flows:
            with Loop() as loop:
                engine = Engine(
                    loop=loop, segment=segment, flows=(spec,), addresses=scene.fabric.node_address, seed=scene.seed
                )
                try:
                    with engine:
                        begin_ns = loop.catch_up()
                        engine.start(begin_ns)
                        loop.run_until(begin_ns + scene.duration_ns)
                        (one,) = engine.summary().values()
                        print(one["state"], one["differs"], sep="|")
                except KernelRefusedError as error:
                    print(error)
    return 0


def _drive(loop: Loop, until_ns: int, profile: bool) -> None:
    if not profile:
        loop.run_until(until_ns)
        return
    import sys

    counts: dict[str, int] = {}

    def count(frame: object, event: str, argument: object) -> None:
        if event == "c_call":
            name = getattr(argument, "__qualname__", str(argument))
            counts[name] = counts.get(name, 0) + 1

    sys.setprofile(count)
    loop.run_until(until_ns)
    sys.setprofile(None)
    for name, number in sorted(counts.items(), key=lambda one: -one[1])[:25]:
        print(f"{number:9d} {name}")
