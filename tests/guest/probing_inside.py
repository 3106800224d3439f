"""Inside the guest: one fabric with equal-cost ways, probed in every manner.  Imported there: imports little.

In: the job, JSON: ``ops``, ``leaving``, ``gateways``, ``books`` (addresses by family).  Out: ``seen.json``.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from typing import Any

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.ports import Flow, Hop, Route
from shadowlab.kernel.sockets.stamped import StampedSocket
from shadowlab.model.impairment import Impairment
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.monitor.probe_stream import ProbeKind, Stream
from shadowlab.monitor.probes import Prober
from shadowlab.monitor.tracing.by_ttl import TtlTracer
from shadowlab.monitor.tracing.mtu import MtuFinder
from shadowlab.monitor.tracing.question import Question
from shadowlab.monitor.tracing.witness import Book, agree, answer_all
from shadowlab.monitor.ways import RunningFlow, Ways
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op
from shadowlab.shadow.trace import Trace, trace
from shadowlab.store.recorder import Rows
from shadowlab.store.records import RECORDS
from shadowlab.wire.addresses import pack_address

SEEN_FILE = "seen.json"
MS, SECOND = 1_000_000, 1_000_000_000
FLOWS = 8
_SETTLED_S = 3


class Scene:
    """The fabric, and what is asked of it."""

    def __init__(self, told: Any, segment: LinuxSegment) -> None:
        self.told = told
        self.segment = segment

    def probe(
        self, streams: list[list[Stream]], flows: list[RunningFlow], *, kind: ProbeKind = "auto", bytes_: int = 64
    ) -> dict[str, Any]:
        """Half a second of probes of each path, and what they were sent as."""
        held, ways = Rows(RECORDS["probes"]), _Quiet()
        told = self.told
        with Loop() as loop:
            prober = Prober(
                loop=loop,
                segment=self.segment,
                streams=streams,
                addresses=told["books"]["4"],
                addresses6=told["books"]["6"],
                seed=1,
                records=held,
                probe_every_ns=50 * MS,
                timeout_ns=200 * MS,
                payload_bytes=bytes_,
                dscp=10,
            )
            with prober:
                keeper = Ways(
                    segment=self.segment,
                    prober=prober,
                    records=ways,
                    interface_directions=told["leaving"],
                    gateways=told["gateways"],
                    addresses=told["books"]["4"],
                    addresses6=told["books"]["6"],
                    streams=streams,
                    spreads=True,
                    kind=kind,
                )
                keeper.look(0, flows)
                start_ns = (loop.clock.now_ns() // SECOND + 1) * SECOND
                prober.start(start_ns, 500 * MS)
                loop.run_until(start_ns + 900 * MS)
        packer, raw = held.kind.packer, bytes(held._fixed)
        return {
            "probes": [packer.unpack_from(raw, at) for at in range(0, len(raw), packer.size)],
            "choices": keeper.choices,
            "ways": ways.lines,
            "counts": [prober.refused, prober.strays, prober.unstamped],
        }


class _Quiet:
    def __init__(self) -> None:
        self.lines: list[tuple[str, list[str], str]] = []

    def record_trace(self, at_ns: int, path: str, hops: Any, flow: str = "") -> None:
        self.lines.append((path, list(hops), flow))


def flows_of(ipv6: bool) -> list[RunningFlow]:
    return [RunningFlow(f"f{n}", "h1", "h2", ipv6, Flow("tcp", 20_000 + 7 * n, 30_000 + n)) for n in range(FLOWS)]


def plain(count: int, *, ipv6: bool = False) -> list[list[Stream]]:
    return [[Stream(path=n, source="h1", target="h2", ipv6=ipv6)] for n in range(count)]


def each_flow_is_followed(scene: Scene, ipv6: bool, kind: ProbeKind) -> list[Any]:
    """Of each flow by itself: what its probe was sent as, its way, and what the probes measured."""
    found = []
    for flow in flows_of(ipv6):
        seen = scene.probe(plain(1, ipv6=ipv6), [flow], kind=kind)
        found.append([seen["choices"], [one for one in seen["ways"] if one[2]], seen["probes"], seen["counts"]])
    return found


def lost(scene: Scene, node: str, interface: str) -> Any:
    """Probes while one direction loses everything."""
    before = scene.segment.read_netem(node, interface)
    assert before is not None
    scene.segment.set_netem(node, interface, Impairment(loss=1.0, delay_ns=before.delay_ns))
    seen = scene.probe(plain(1), [])
    scene.segment.set_netem(node, interface, before)
    return seen


def stamps(scene: Scene) -> list[int]:
    """The wait in the sender's own queue, by the two stamps of a sending."""
    import socket

    interface = next(one.split("/")[1] for one in scene.told["leaving"] if one.startswith("r1/"))
    scene.segment.open_socket("r1", socket.AF_INET, socket.SOCK_DGRAM).close()
    held = scene.segment.read_netem("r1", interface)
    assert held is not None
    target = scene.told["peers"][f"r1/{interface}"]
    sock = StampedSocket(scene.segment.open_socket("r1", socket.AF_INET, socket.SOCK_DGRAM), driver=True)
    sent_ns = [sock.send(b"x", (target, 9)) for _ in range(3)]
    time.sleep(1)
    sock.clear_errors()
    waits = [sock.left_ns[number] - (one or 0) for number, one in enumerate(sent_ns)]
    sock.close()
    return [held.delay_ns, *waits]


def questions(ipv6: bool) -> list[Question]:
    return [
        Question(source="h1", target="h2", ipv6=ipv6, flow=flow._replace(protocol=protocol))
        for flow in (one.there for one in flows_of(ipv6))
        for protocol in ("tcp", "udp")
    ]


def routed(scene: Scene, question: Question) -> Trace:
    """The way by the routing tables."""
    book = scene.told["books"]["6" if question.ipv6 else "4"]
    return trace(
        scene.segment, scene.told["leaving"], book, question.source, question.target, gateways={}, flow=question.flow
    )


def book_of(scene: Scene) -> Book:
    return Book(addresses=scene.told["books"]["4"], addresses6=scene.told["books"]["6"], owners=scene.told["owners"])


def traced(scene: Scene, asked: list[Question], *, count: int = 1) -> list[Any]:
    """Each way by packets, beside what the tables say, and whether they agree."""
    for node in ("r1", "r2", "r3", "r4", "r5"):
        answer_all(scene.segment, node)
    with Loop() as loop:
        seen = TtlTracer(loop=loop, segment=scene.segment, books=book_of(scene), count=count).trace(asked)
    found = []
    for one in seen:
        way = routed(scene, one.question)
        found.append([to_plain(one), list(way.nodes), agree(way.nodes, way, one)])
    return found


def sizes(scene: Scene, asked: list[Question]) -> list[Any]:
    """The MTU of each way, and its middle node."""
    with Loop() as loop:
        found = MtuFinder(loop=loop, segment=scene.segment, books=book_of(scene)).find(asked)
    return [[one.mtu, one.limited_by, one.told, list(routed(scene, one.question).nodes)] for one in found]


def silent(scene: Scene) -> list[Any]:
    """The MTU of ways whose routers cannot tell the source what is too large: they have no way back to it."""
    segment, source = scene.segment, scene.told["books"]["4"]["h1"]
    kept = [(node, one) for node in ("r1", "r5") for one in segment.routes(node) if covers(one, source)]
    for node, one in kept:
        segment.replace_by_black_hole(node, one.destination, one.prefix)
    found = sizes(scene, questions(False))
    for node, one in kept:
        segment.replace_route(node, one.destination, one.prefix, one.hops)
    return found


def cut(scene: Scene, changes: list[str]) -> list[Any]:
    """One way traced after changes, that are undone afterwards."""
    segment, question = scene.segment, Question(source="h1", target="h2")
    target = scene.told["books"]["4"]["h2"]
    kept = {node: [one for one in segment.routes(node) if covers(one, target)] for node in changes}
    for node, ways in kept.items():
        for one in ways:
            if changes == ["r5"]:
                segment.replace_by_black_hole(node, one.destination, one.prefix)
            else:  # back to where it came from
                near = next(hop for hop in routes_back(segment, node, scene.told["books"]["4"]["h1"]))
                segment.replace_route(node, one.destination, one.prefix, [near])
    found = traced(scene, [question])
    for node, ways in kept.items():
        for one in ways:
            segment.replace_route(node, one.destination, one.prefix, one.hops)
    return found


def covers(route: Route, address: str) -> bool:
    whole = int.from_bytes(pack_address(address), "big")
    shift = 32 - route.prefix
    return (
        ":" not in route.destination
        and whole >> shift == int.from_bytes(pack_address(route.destination), "big") >> shift
    )


def routes_back(segment: LinuxSegment, node: str, address: str) -> tuple[Hop, ...]:
    return next(one.hops for one in segment.routes(node) if one.hops and covers(one, address))


def run(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as file:
        told = json.load(file)
    seen: dict[str, Any] = {}
    with LinuxSegment() as segment:
        ops: tuple[Op, ...] = from_plain(tuple[Op, ...], told["ops"])
        apply(ops, segment)
        time.sleep(_SETTLED_S)
        scene = Scene(told, segment)
        checks: dict[str, Callable[[], Any]] = {
            "udp 4": lambda: each_flow_is_followed(scene, False, "auto"),
            "udp 6": lambda: each_flow_is_followed(scene, True, "auto"),
            "tcp 4": lambda: each_flow_is_followed(scene, False, "tcp"),
            "tcp 6": lambda: each_flow_is_followed(scene, True, "tcp"),
            "lost there": lambda: lost(scene, *told["lossy"]["there"]),
            "lost back": lambda: lost(scene, *told["lossy"]["back"]),
            "stamps": lambda: stamps(scene),
            "trace 4": lambda: traced(scene, questions(False), count=2),
            "trace 6": lambda: traced(scene, questions(True), count=2),
            "black hole": lambda: cut(scene, ["r5"]),
            "loop": lambda: cut(scene, ["r2", "r3", "r4"]),
            "mtu 4": lambda: sizes(scene, questions(False)),
            "mtu 6": lambda: sizes(scene, questions(True)),
            "silent": lambda: silent(scene),
        }
        for name, check in checks.items():
            try:
                seen[name] = check()
            except Exception:  # noqa: BLE001 - the test of that name reports it
                seen[name] = traceback.format_exc()
    with open(f"{folder}/{SEEN_FILE}", "w", encoding="utf-8") as file:
        json.dump(seen, file)
    return 0
