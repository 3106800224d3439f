"""What a network's parts cost a kernel, stage by stage: memory and time, read where the parts are made.

In: operations as JSON.  Out: one dictionary per stage.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.model.plain import from_plain
from shadowlab.shadow.apply import apply
from shadowlab.shadow.ops import CreateLink, CreateNode, ImpairEgress, ImpairIngress, Op, SetLinkState, SetRoute

STAGES: tuple[tuple[str, type[Op]], ...] = (
    ("node", CreateNode),
    ("link", CreateLink),
    ("queue", ImpairEgress),
    ("arrival", ImpairIngress),
    ("up", SetLinkState),
    ("route", SetRoute),
)
_KERNEL = ("Slab", "Percpu", "VmallocUsed", "KernelStack", "PageTables")
_HOLD_S = 0.5
"""So long the guest waits while the host looks at its memory from outside."""
RESULT_FILE = "stages.json"


def run(job_path: str, folder: str) -> int:
    """The entry inside the guest."""
    with open(job_path, "rb") as file:
        job = file.read()

    def hold() -> None:
        print("held", flush=True)
        time.sleep(_HOLD_S)

    seen = measure(LinuxSegment(), job, whole_machine=True, on_held=hold)
    with open(f"{folder}/{RESULT_FILE}", "w") as result:
        json.dump(seen, result)
    return 0


def measure(
    segment: LinuxSegment,
    job: bytes,
    *,
    whole_machine: bool,
    redirect: bool = True,
    on_held: Callable[[], None] = lambda: None,
) -> list[dict[str, object]]:
    """Each stage: how many, seconds, bytes; the first is the reading of the job.

    ``whole_machine``: the machine is ours, so all its memory counts; else only what the kernel itself says it took.
    Without ``redirect`` the IFBs of arrivals are made, and nothing is led to them."""
    before = _memory(whole_machine)
    ops: tuple[Op, ...] = from_plain(tuple[Op, ...], json.loads(job))
    used = {key: value - before[key] for key, value in _memory(whole_machine).items()}
    seen: list[dict[str, object]] = [{"stage": "job", "count": len(ops), **used}]
    with segment:
        for name, kind in STAGES:
            chosen = [op for op in ops if isinstance(op, kind)]
            before, begin = _memory(whole_machine), time.monotonic()
            if redirect or kind is not ImpairIngress:
                apply(chosen, segment)
            else:
                _make_ifbs([op for op in ops if isinstance(op, ImpairIngress)], segment)
            seconds = time.monotonic() - begin
            used = {key: value - before[key] for key, value in _memory(whole_machine).items()}
            seen.append({"stage": name, "count": len(chosen), "seconds": seconds, **used})
        on_held()
        begin = time.monotonic()
    seen.append({"stage": "down", "count": 1, "seconds": time.monotonic() - begin})
    return seen


def _make_ifbs(ops: Sequence[ImpairIngress], segment: LinuxSegment) -> None:
    with segment.batch():
        for op in ops:
            segment.create_ifb(op.node, op.device)
            segment.set_netem(op.node, op.device, op.impairment)


def _memory(whole_machine: bool) -> dict[str, int]:
    """Bytes taken: by the kernel, by us, and (of a machine that is ours) of all there is."""
    gc.collect()
    if whole_machine:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    held = {}
    with open("/proc/meminfo") as lines:
        for line in lines:
            words = line.split()
            held[words[0].rstrip(":")] = int(words[1]) * 1024
    with open("/proc/self/status") as status:
        own = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))
    found = {"kernel_bytes": sum(held.get(key, 0) for key in _KERNEL), "own_bytes": own}
    if whole_machine:
        found["taken_bytes"] = held["MemTotal"] - held["MemFree"]
    return found
