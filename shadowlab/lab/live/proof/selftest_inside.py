"""The part of a lab's self-test that runs where the lab is: in the guest, or beside a lab on the host's kernel.

In: a lab's id, its shape, trials.  Out: what the kernel holds otherwise than wished, and what was measured; raw.
Never: a judgement.  Imported inside the guest: standard library only.

In the guest it is a program of its own, started in a node: whoever lives in the lab meanwhile is not held up by it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from shadowlab.kernel.named import NamedSegment
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.monitor.linktest.measure import measure
from shadowlab.monitor.linktest.record import Measured, Precision
from shadowlab.monitor.linktest.trial import Trial
from shadowlab.shadow.ops import Op
from shadowlab.shadow.readback import Difference, ReadDoor, differences
from shadowlab.shadow.recover import standing_nodes
from shadowlab.shadow.shape import shape_of


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What to do: ``ops`` amount to the shape that should be there; without trials nothing is sent."""

    lab: str
    ops: tuple[Op, ...]
    trials: tuple[Trial, ...]
    read_back: bool = True


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What was seen.  ``precision`` is None where nothing was sent."""

    differences: tuple[Difference, ...]
    precision: Precision | None
    measured: tuple[Measured, ...]


def examine(segment: ReadDoor, job: Examination, on_done: Callable[[int], None]) -> Examined:
    """Read back first, then measure."""
    found = tuple(differences(shape_of(job.ops), segment)) if job.read_back else ()
    if not job.trials:
        return Examined(differences=found, precision=None, measured=())
    precision, measured = measure(segment, job.trials, on_done=on_done)
    return Examined(differences=found, precision=precision, measured=measured)


def adopt_and_examine(job: Examination, on_done: Callable[[int], None]) -> Examined:
    """The same in the lab's standing namespaces; one that is gone is a difference."""
    with NamedSegment(job.lab, next_ifindex=0) as segment:
        for node, standing in standing_nodes(shape_of(job.ops)).items():
            segment.adopt(node, standing)
        return examine(segment, job, on_done)


def main() -> None:
    """The program: the job comes on standard input; a JSON line for each direction done, and one for the end."""

    def say(message: dict[str, object]) -> None:
        sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
        sys.stdout.flush()

    job: Examination = from_plain(Examination, json.load(sys.stdin))
    seen = adopt_and_examine(job, lambda done: say({"done": done}))
    say({"seen": to_plain(seen)})
