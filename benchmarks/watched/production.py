"""A backbone of two cores and leaves with instances at each, and what the instances' kernels would record.

In: how many leaves, instances and flows; from when on a leaf's link loses packets.  Out: a map, a watch file, readings
as JSON lines.  Never: a shadow: that is the watch's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.soaked.world import HEAD, START_NS
from shadowlab.model.units import NS_PER_S

LOSS = 0.02
ACCESS_MS, CORE_MS = 0.1, 8.0
RATE_BPS = 200_000
SERVICES = (443, 5432, 6379, 9092)


@dataclass(frozen=True, kw_only=True)
class World:
    """``seed`` says who speaks with whom."""

    leaves: int
    instances: int
    flows: int
    seed: int = 1

    @property
    def nodes(self) -> int:
        """Cores included."""
        return 2 + self.leaves + self.instances

    def leaf_of(self, instance: int) -> int:
        return instance % self.leaves

    def leaf_ms(self, leaf: int) -> float:
        return 1.0 + leaf % 5

    def core_of(self, leaf: int) -> int:
        return leaf % 2

    def map_text(self) -> str:
        """Even leaves hang at one core, odd ones at the other; each has a dearer way to the other core as well."""
        lines = ["shadowlab: map/1", "name: production", "nodes:", "  c0: {kind: router}", "  c1: {kind: router}"]
        lines += [f"  l{leaf}: {{kind: router}}" for leaf in range(self.leaves)]
        lines += [f"  {_name(one)}: {{kind: host, address: {_address(one)}}}" for one in range(self.instances)]
        core_bps = max(100, self.flows * 2) * RATE_BPS
        lines += ["links:", f"  c0-c1: {{ends: [c0, c1], delay: {CORE_MS} ms, rate: {core_bps} bit}}"]
        leaf_bps = max(100, 8 * self.flows // self.leaves) * RATE_BPS
        for leaf in range(self.leaves):
            near, far = self.core_of(leaf), 1 - self.core_of(leaf)
            rest = f"delay: {self.leaf_ms(leaf)} ms, rate: {leaf_bps} bit"
            lines.append(f"  l{leaf}-near: {{ends: [l{leaf}, c{near}], {rest}, metric: 1}}")
            lines.append(f"  l{leaf}-far: {{ends: [l{leaf}, c{far}], {rest}, metric: 50}}")
        lines += [
            f"  {_name(one)}-up: {{ends: [{_name(one)}, l{self.leaf_of(one)}], delay: {ACCESS_MS} ms, rate: 1 Gbit}}"
            for one in range(self.instances)
        ]
        return "\n".join(lines) + "\n"

    def pairs(self) -> list[tuple[int, int, int]]:
        """Client, server, port of each flow: a tenth of the instances serve nine tenths of them."""
        rng = Random(self.seed)
        servers = max(2, self.instances // 10)
        found = []
        while len(found) < self.flows:
            target = rng.randrange(servers if rng.random() < 0.9 else self.instances)
            source = rng.randrange(self.instances)
            if source != target:
                found.append((source, target, SERVICES[target % len(SERVICES)]))
        return found

    def rtt_ms(self, source: int, target: int) -> float:
        """There and back, along the near links."""
        one, other = self.leaf_of(source), self.leaf_of(target)
        way = 2 * ACCESS_MS
        if one != other:
            way += self.leaf_ms(one) + self.leaf_ms(other)
            way += CORE_MS if self.core_of(one) != self.core_of(other) else 0.0
        return 2 * way

    def readings(self, moment_s: int, *, broken_s: int = 0) -> str:
        """Of every connection's both ends; for ``broken_s`` of the seconds ``l0-near`` lost packets on its way up."""
        lines = []
        counted = RATE_BPS // 8 * moment_s
        segments = counted // 1448
        for number, (source, target, port) in enumerate(self.pairs()):
            hit = self.leaf_of(source) == 0 != self.leaf_of(target)
            again = round(LOSS * (RATE_BPS // 8 * broken_s // 1448)) if hit else 0
            wave_ms = 0.01 * ((moment_s // 30 + number) % 3)
            srtt_ns = round((self.rtt_ms(source, target) + wave_ms) * 1e6)
            client = 20_000 + number % 40_000
            for mine, theirs, local, peer, sent in (
                (source, target, client, port, counted),
                (target, source, port, client, 0),
            ):
                one = {
                    "at_ns": START_NS + moment_s * NS_PER_S,
                    "instance": _name(mine),
                    "local_address": _address(mine),
                    "local_port": local,
                    "peer_address": _address(theirs),
                    "peer_port": peer,
                    "srtt_ns": srtt_ns,
                    "rttvar_ns": 100_000,
                    "min_rtt_ns": round(self.rtt_ms(source, target) * 1e6),
                    "mss": 1448,
                    "cwnd_segments": 10,
                    "bytes_sent": sent,
                    "bytes_acked": sent,
                    "bytes_received": counted - sent,
                    "data_segments_out": segments if sent else 0,
                    "segments_out": segments,
                    "retransmits_total": again if sent else 0,
                    "app_limited": True,
                    "busy_ns": 1_000_000 * moment_s,
                }
                lines.append(json.dumps(one))
        return "".join(f"{line}\n" for line in lines)

    def write(self, folder: Path) -> Path:
        """Map, watch file and the first readings; the watch file."""
        (folder / "map.yaml").write_text(self.map_text())
        (folder / "live.jsonl").write_text(HEAD + self.readings(30) + self.readings(60))
        (folder / "watch.yaml").write_text(
            "shadowlab: watch/1\nname: measured\nmap: map.yaml\ntelemetry: {file: live.jsonl}\n"
            "every: 60 s\nwindow: 90 s\npoll: 30 s\nrun: 30 s\nbudget: 30 s\n"
        )
        return folder / "watch.yaml"


def _name(instance: int) -> str:
    return f"i{instance}"


def _address(instance: int) -> str:
    return f"10.{instance // 65536}.{instance // 256 % 256}.{instance % 256}"
