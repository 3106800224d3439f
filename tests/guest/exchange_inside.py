"""What the tests of exchanges run inside the guest: build a network, drive workloads over it, keep every record."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from traffic_inside import Scene, build

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.netns import enter_private_segment
from shadowlab.model.traffic.completion import Completion, InstanceSample, StreamSample
from shadowlab.model.traffic.workload import Compute, Workload
from shadowlab.traffic.exchange.engine import Exchanges


@dataclass(kw_only=True)
class ExchangeScene:
    """Everything a guest run needs, decided outside.  ``scale``: (when, workloads, factor)."""

    scene: Scene
    workloads: tuple[Workload, ...]
    compute: Mapping[str, Compute] = field(default_factory=dict)
    scale: tuple[tuple[int, tuple[str, ...], float], ...] = ()
    sample_every_ns: int = 1_000_000_000


@dataclass(kw_only=True)
class Driven:
    """What came of it."""

    completions: list[Completion] = field(default_factory=list)
    instances: list[InstanceSample] = field(default_factory=list)
    streams: list[StreamSample] = field(default_factory=list)
    most_open: int = 0
    """File descriptors."""


def run(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as job:
        wanted: ExchangeScene = pickle.load(job)
    enter_private_segment()
    found = Driven()
    scene = wanted.scene
    with LinuxSegment("test") as segment, Loop() as loop:
        build(segment, scene)
        start_ns = (time.monotonic_ns() // 10**9 + 1) * 10**9
        with Exchanges(
            loop=loop,
            segment=segment,
            workloads=wanted.workloads,
            compute=wanted.compute,
            addresses=scene.fabric.node_address,
            seed=scene.seed,
            sink=found.completions.append,
        ) as exchanges:
            exchanges.start(start_ns, scene.duration_ns)
            for at_ns, names, factor in wanted.scale:
                loop.at(start_ns + at_ns, lambda _, names=names, factor=factor: exchanges.scale(names, factor))

            def sample(due_ns: int) -> None:
                found.instances += exchanges.instances()
                found.streams += exchanges.streams()
                found.most_open = max(found.most_open, len(os.listdir("/proc/self/fd")))
                loop.at(due_ns + wanted.sample_every_ns, sample)

            loop.at(start_ns, sample)
            if scene.profile:
                import cProfile

                profile = cProfile.Profile()
                profile.enable()
            loop.run_until(start_ns + scene.duration_ns)
            exchanges.finish()
            if scene.profile:
                profile.disable()
                profile.dump_stats(f"{folder}/profile")
    with open(f"{folder}/driven", "wb") as file:
        pickle.dump(found, file)
    return 0
