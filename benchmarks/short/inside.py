"""Drive short transfers between ten pairs of hosts and count them.  Runs in the guest and on the host's kernel alike.

In: offered connections per second, seconds.  Out: connections completed, those that were not, processor seconds.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import partial

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.loop import Loop
from shadowlab.model.network import Link, Network, Node
from shadowlab.model.plain import from_plain
from shadowlab.model.traffic.completion import Completion
from shadowlab.model.traffic.distribution import constant
from shadowlab.model.traffic.workload import Arrivals, Requests, Transfers, Workload
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op
from shadowlab.traffic.exchange.engine import Exchanges

TRANSFER_BYTES = 10_000
USERS = 5
"""Of each pair, in a closed loop."""
RESULT_FILE = "short.json"
COUNT = 10
PAIRS = Network(
    name="pairs",
    nodes=tuple(Node(id=f"{side}{number}", kind="host") for side in "ab" for number in range(COUNT)),
    links=tuple(Link(id=f"l{number}", a=f"a{number}", b=f"b{number}", offload=True) for number in range(COUNT)),
)
"""A single one would soon have no source port left that is not in TIME-WAIT."""


def run(job_path: str, folder: str) -> int:
    """The guest's entry."""
    with open(job_path) as file:
        wanted = json.load(file)
    with LinuxSegment() as segment:
        apply(from_plain(tuple[Op, ...], wanted["build"]), segment)
        found = drive(segment, wanted["addresses"], wanted["rate_per_s"], wanted["seconds"])
    with open(f"{folder}/{RESULT_FILE}", "w") as file:
        json.dump(found, file)
    return 0


def _arriving(rate_per_s: float, number: int) -> Workload:
    return Transfers(
        name=f"short {number}",
        sources=(f"a{number}",),
        targets=(f"b{number}",),
        arrivals=Arrivals(process="poisson", rate_per_s=rate_per_s),
        size=constant(TRANSFER_BYTES),
    )


def _user(number: int) -> Workload:
    return Requests(
        name=f"short {number}",
        clients=(f"a{number}",),
        servers=(f"b{number}",),
        request=constant(100),
        response=constant(TRANSFER_BYTES),
        think_ns=constant(0),
        connections=USERS,
        requests_per_connection=1,
    )


def drive(segment: LinuxSegment, addresses: dict[str, str], rate_per_s: float | None, seconds: int) -> dict[str, float]:
    """Poisson arrivals, or as fast as it goes: users who ask anew at once, each time over a new connection.  What is
    still going on at the end counts as not completed."""
    outcomes: Counter[str] = Counter()

    def keep(one: Completion) -> None:
        outcomes[one.outcome] += 1

    make = _user if rate_per_s is None else partial(_arriving, rate_per_s / COUNT)
    workloads = [make(number) for number in range(COUNT)]
    with Loop() as loop, Exchanges(loop=loop, segment=segment, workloads=workloads, compute={}, addresses=addresses,
                                   seed=1, sink=keep) as exchanges:  # fmt: skip
        zero = (loop.clock.now_ns() // 10**9 + 1) * 10**9
        exchanges.start(zero, seconds * 10**9)
        before = os.times()
        loop.run_until(zero + seconds * 10**9)
        after = os.times()
        exchanges.finish()
    cpu_s = after.user + after.system - before.user - before.system
    completed = outcomes.pop("ok", 0)
    return {"completed": completed, "others": sum(outcomes.values()), "cpu_s": cpu_s}
