"""A small network, what its instances record, and shadows that are worked out instead of run.

In: a cycle's number, whether the network is broken.  Out: telemetry as JSON lines; tables of indicators.
Everything else of a watch is the real thing: what is pretended here is the kernel and the hours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shadowlab.lab.analyse import Measured
from shadowlab.lab.prepare import Prepared
from shadowlab.lab.watch.clockwork import Stages
from shadowlab.lab.watch.cycle import CycleRun, Heard, Memory
from shadowlab.lab.watch.stages.shadows import Shadows
from shadowlab.model.kpi import SeriesTable
from shadowlab.model.units import NS_PER_S
from shadowlab.monitor.indicators import PathCounts
from shadowlab.store.whole import write_whole

HOSTS = ("a", "b", "c", "d")
_PAIRS = (("a", "c"), ("b", "c"), ("c", "a"), ("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("d", "b"))
_RATE_BPS = 1_000_000
START_NS = 1_795_000_000 * NS_PER_S
LOSS = 0.03
BROKEN = "r-s"


def write_map(path: Path, *, more: tuple[str, ...] = ()) -> None:
    """Two routers, two hosts at each; ``more`` hosts at the first."""
    hosts = [*HOSTS, *more]
    lines = ["shadowlab: map/1", "name: small", "nodes:", "  r: {kind: router}", "  s: {kind: router}"]
    lines += [f"  {name}: {{kind: host, address: 192.0.2.{number + 1}}}" for number, name in enumerate(hosts)]
    lines += ["links:", "  r-s: {ends: [r, s], delay: 10 ms, rate: 10 Mbit, queue: 60}"]
    lines += [
        f"  {name}-{_router(name)}: {{ends: [{name}, {_router(name)}], delay: 1 ms, rate: 100 Mbit}}" for name in hosts
    ]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _router(host: str) -> str:
    return "s" if host in ("c", "d") else "r"


def _crosses(source: str, target: str) -> bool:
    return _router(source) != _router(target)


def records(moment_s: int, *, broken_s: int = 0) -> str:
    """One reading of every connection's both ends, ``moment_s`` seconds after the start; for ``broken_s`` of them the
    link between the routers lost packets."""
    lines = []
    for number, (source, target) in enumerate(_PAIRS):
        counted = _RATE_BPS // 8 * moment_s
        segments = counted // 1448
        hit_s = broken_s if _crosses(source, target) else 0
        again = round(LOSS * (_RATE_BPS // 8 * hit_s // 1448))
        delay_ms = 24 if _crosses(source, target) else 4
        address = {name: f"192.0.2.{place + 1}" for place, name in enumerate(HOSTS)}
        ends = ((source, target, counted, 0), (target, source, 0, counted))
        for mine, theirs, sent, received in ends:
            one = {
                "at_ns": START_NS + moment_s * NS_PER_S,
                "instance": mine,
                "local_address": address[mine],
                "local_port": 40_000 + number if mine == source else 5000,
                "peer_address": address[theirs],
                "peer_port": 5000 if mine == source else 40_000 + number,
                "srtt_ns": delay_ms * 1_000_000 + 10_000 * ((moment_s // 30 + number) % 3),
                "rttvar_ns": 100_000,
                "min_rtt_ns": delay_ms * 1_000_000,
                "mss": 1448,
                "cwnd_segments": 10,
                "bytes_sent": sent,
                "bytes_acked": sent,
                "bytes_received": received,
                "data_segments_out": segments if sent else 0,
                "segments_out": segments,
                "retransmits_total": again if sent else 0,
                "app_limited": True,
                "busy_ns": 1_000_000 * moment_s,
            }
            lines.append(json.dumps(one))
    return "".join(f"{line}\n" for line in lines)


HEAD = '{"shadowlab": "telemetry/1"}\n'


@dataclass(frozen=True, kw_only=True)
class PretendedShadows(Shadows):
    """What a sound network shows: its delays, the rates that are asked for, nothing lost."""

    def run(self, wanted: Mapping[str, Prepared]) -> dict[str, Measured]:
        return {name: sound(one) for name, one in wanted.items()}


def sound(prepared: Prepared) -> Measured:
    """One value a second of every indicator the comparison asks for."""
    count = prepared.scenario.duration_ns // NS_PER_S
    times = np.arange(1, count + 1, dtype=np.int64) * NS_PER_S
    names = tuple(map(str, prepared.paths))
    base = [
        sum(prepared.network.impairment(hop).delay_ns for hop in prepared.hops[path]) * 2 / 1e6
        for path in prepared.paths
    ]
    rates = [
        sum(flow.rate_bps or 0 for flow in prepared.flows if (flow.source, flow.target) == (path.source, path.target))
        / 1e6
        for path in prepared.paths
    ]
    wave = 0.01 * (np.arange(count) % 3)[:, None]
    shape = np.ones((count, len(names)))
    values = {
        "srtt_ms": shape * base + wave,
        "latency_ms": shape * base,
        "retransmission_share": shape * 0.0,
        "loss": shape * 0.0,
        "throughput_mbps": shape * rates,
    }
    directions = tuple(map(str, prepared.network.directions))
    still = np.full((count, len(directions)), 0.1)
    links = {"link_utilisation": still, "link_loss": still * 0, "link_marks": still * 0, "link_line_loss": still * 0}
    nothing = np.zeros((count, len(names)), dtype=np.int64)
    return Measured(
        paths=SeriesTable(times_ns=times, subjects=names, values=values),
        links=SeriesTable(times_ns=times, subjects=directions, values=links),
        counts=PathCounts(
            times_ns=times,
            paths=names,
            probes_sent=nothing,
            probes_lost=nothing,
            segments_sent=nothing,
            segments_retransmitted=nothing,
        ),
        traces=(),
        hops=(),
    )


def pretended_run(
    config: object, state: object, memory: Memory, heard: Heard, *, shadows: Shadows, stages: Stages, **rest: object
) -> CycleRun:
    """A cycle as it is, but for its shadows."""
    pretended = PretendedShadows(
        place=shadows.place, scratch=shadows.scratch, progress=shadows.progress, interrupt=shadows.interrupt
    )
    return CycleRun(config, state, memory, heard, shadows=pretended, stages=stages, **rest)  # type: ignore[arg-type]


class FastClock:
    """A clock that a wait moves, and nothing else.  ``tick`` is called at every wait, with the seconds since the start:
    there the world goes on."""

    def __init__(self, tick: object = None) -> None:
        self._now_ns = 0
        self.tick = tick

    def now_ns(self) -> int:
        return self._now_ns

    def wall_ns(self) -> int:
        return START_NS + self._now_ns

    def wait(self, until_ns: int) -> None:
        self._now_ns = max(self._now_ns + 1, until_ns)
        if callable(self.tick):
            self.tick(self._now_ns // NS_PER_S)

    def wake(self) -> None:
        """No wait lasts."""


WATCH = """shadowlab: watch/1
name: small
map: map.yaml
telemetry: {file: live.jsonl}
every: 60 s
window: 90 s
poll: 30 s
run: 40 s
notify:
  - {name: hook, webhook: "http://127.0.0.1:9/hook"}
"""


def write_world(folder: Path) -> Path:
    """Map, watch file and the first reading; the watch file."""
    write_map(folder / "map.yaml")
    (folder / "live.jsonl").write_text(HEAD + records(30) + records(60))
    (folder / "watch.yaml").write_text(WATCH)
    return folder / "watch.yaml"


class Production:
    """Appends a reading every half minute; ``broken`` says in which of them the network is, ``changed`` what else is
    different in a reading."""

    def __init__(self, path: Path, broken: object = None, changed: Callable[[int, str], str] | None = None) -> None:
        self._changed = changed
        self._path = path
        self._last = 60
        self._broken_s = 0
        self.broken = broken

    def __call__(self, now_s: int) -> None:
        while self._last + 30 <= now_s + 60:
            self._last += 30
            if callable(self.broken) and self.broken(self._last):
                self._broken_s += 30
            with self._path.open("a", encoding="utf-8") as file:
                text = records(self._last, broken_s=self._broken_s)
                file.write(text if self._changed is None else self._changed(self._last, text))
