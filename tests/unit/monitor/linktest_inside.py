"""Inside the guest: links built, some of them otherwise than wished, and examined on the virtual clock.

In: the job, JSON: ``build`` (operations), ``spoil`` (operations that nobody is told of), ``examination``.
Out: ``seen.json``.
"""

from __future__ import annotations

import json

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.lab.live.proof.selftest_inside import Examination, examine
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import Op

SEEN_FILE = "seen.json"


def run(job_path: str, folder: str) -> int:
    with open(job_path, "rb") as file:
        told = json.load(file)
    build: tuple[Op, ...] = from_plain(tuple[Op, ...], told["build"])
    spoil: tuple[Op, ...] = from_plain(tuple[Op, ...], told["spoil"])
    job: Examination = from_plain(Examination, told["examination"])
    with LinuxSegment() as segment:
        apply(build, segment)
        apply(spoil, segment)
        seen = examine(segment, job, lambda _done: None)
    with open(f"{folder}/{SEEN_FILE}", "w", encoding="utf-8") as file:
        json.dump(to_plain(seen), file)
    return 0
