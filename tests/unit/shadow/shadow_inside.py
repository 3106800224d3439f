"""Inside the guest: a plan executed on Linux, and what was read back after each of some changes.

In: the job, JSON: ``steps`` (lists of operations), ``leaving``, ``addresses``, ``ask`` (source, target).
Out: ``read.json``: after each step the way's nodes and its fault.
"""

from __future__ import annotations

import json

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.kernel.ports import Segment
from shadowlab.model.plain import from_plain
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op
from shadowlab.shadow.trace import trace

READ_FILE = "read.json"


def execute(job: bytes, segment: Segment) -> list[list[object]]:
    """The same on either kernel."""
    told = json.loads(job)
    seen: list[list[object]] = []
    for plain in told["steps"]:
        ops: tuple[Op, ...] = from_plain(tuple[Op, ...], plain)
        apply(ops, segment)
        found = trace(segment, told["leaving"], told["addresses"], *told["ask"])
        seen.append([list(found.nodes), str(found.fault)])
    return seen


def run(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as file:
        job = file.read()
    with LinuxSegment() as segment:
        seen = execute(job, segment)
    with open(f"{folder}/{READ_FILE}", "w", encoding="utf-8") as file:
        json.dump(seen, file)
    return 0
