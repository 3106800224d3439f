"""How long a cycle of a watch takes: 25 nodes with 200 flows, and 1000 instances with 10 000 flows.

In: ``--only small`` or ``large``; ``--cycles``, three by default: learning, calm, one in which a link loses packets.
Out: one JSON line per size and cycle, with the time of each stage, what was summed up and what was found.
All is real but production, which is made up (:mod:`benchmarks.watched.production`); no cures are rehearsed.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import report
from benchmarks.soaked.world import START_NS
from benchmarks.watched.production import World
from shadowlab.kernel.clock import KernelClock
from shadowlab.lab.execute import choose_place
from shadowlab.lab.watch.loop import Loop, Said, configured
from shadowlab.lab.watch.notify.interface import Senders
from shadowlab.model.units import NS_PER_S
from shadowlab.model.watch.cycle import Cycle

SIZES = {
    "small": (World(leaves=5, instances=18, flows=200), 30.0),
    "large": (World(leaves=40, instances=1000, flows=10_000), 300.0),
}
"""With what a cycle may take in seconds on two cores."""


class Ahead(KernelClock):
    """The machine's clock, but that a wait takes no time; meanwhile production goes on."""

    def __init__(self, world: World, path: Path, broken_from_s: int) -> None:
        self._ahead_ns, self._last_s = 0, 60
        self._began_ns = super().now_ns()
        self._world, self._path, self._broken_from_s = world, path, broken_from_s

    def now_ns(self) -> int:
        return super().now_ns() + self._ahead_ns

    def wall_ns(self) -> int:
        return START_NS + self.now_ns() - self._began_ns

    def wait(self, until_ns: int) -> None:
        self._ahead_ns += max(1, until_ns - self.now_ns())
        while START_NS + (self._last_s - 30) * NS_PER_S <= self.wall_ns():
            self._last_s += 30
            broken_s = max(0, self._last_s - self._broken_from_s)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(self._world.readings(self._last_s, broken_s=broken_s))

    def wake(self) -> None:
        """No wait lasts."""


def measured(name: str, cycles: int) -> None:
    """One line per cycle."""
    world, target = SIZES[name]
    folder = Path(tempfile.mkdtemp(prefix="shadowlab-watch-"))
    seen: list[tuple[Cycle, float, float]] = []
    began = [time.monotonic(), _cpu_s()]

    def on_cycle(cycle: Cycle) -> None:
        now = [time.monotonic(), _cpu_s()]
        seen.append((cycle, now[0] - began[0], now[1] - began[1]))
        began[:] = now

    try:
        config = configured(world.write(folder))
        Loop(
            config=config,
            place=choose_place("embedded", "auto"),
            clock=Ahead(world, folder / "live.jsonl", broken_from_s=60 * (cycles - 1) - 30),
            senders=Senders(),
            said=Said(cycle=on_cycle),
        ).run(cycles)
    finally:
        shutil.rmtree(folder)
    for cycle, _, cpu_s in seen:
        report(
            benchmark=f"watch, {world.nodes} nodes, {world.flows} flows, cycle {cycle.number}",
            unit="s",
            values=[sum(one.wall_s for one in cycle.stages)],
            target=target,
            cpu_seconds=round(cpu_s, 1),
            status=cycle.status,
            verdict=cycle.verdict,
            headline=cycle.headline,
            connections=cycle.connections,
            stages={one.name: one.wall_s for one in cycle.stages},
            notes={one.name: one.note for one in cycle.stages},
            aggregation=cycle.aggregation.text if cycle.aggregation else "",
            suspects=[one.link for one in cycle.links if one.suspect],
            resident_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        )


def _cpu_s() -> float:
    """Of this process and the guests that ended."""
    own, done = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + done.ru_utime + done.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=sorted(SIZES))
    parser.add_argument("--cycles", type=int, default=3)
    asked = parser.parse_known_args()[0]
    for name in SIZES if asked.only is None else (asked.only,):
        measured(name, asked.cycles)


if __name__ == "__main__":
    main()
