"""What a lab stands on, as a Protocol: the host's kernel or a guest; and what passes between it and the lab.

In: a lab's account, operations, programs.  Out: what the kernel did and shows.  Never: a decision about the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shadowlab.kernel.linux import LinuxSegment
from shadowlab.shadow.apply import OnStep
from shadowlab.shadow.ledger import Account, Intent
from shadowlab.shadow.recover import Removed

KernelKind = Literal["host", "embedded"]
OnStepName = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program to run in a node."""

    node: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a program left behind.  ``exit_code`` as shells have it: 128 and more for one killed by a signal."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Its standard output as text."""
        return self.stdout.decode(errors="replace")


View = Mapping[str, Any]
"""What the kernel shows of a lab, as JSON has it: see :func:`observe`."""


class Ground(Protocol):
    """One lab's place in a kernel."""

    def open(self, account: Account) -> None:
        """Make what the lab's nodes stand on, before the first of them."""

    def alive(self, account: Account) -> bool:
        """Whether the lab's nodes are there."""

    def apply(self, account: Account, intent: Intent, on_step: OnStep | None) -> None: ...
    def finish(self, account: Account, intent: Intent) -> None:
        """Carry out whole what was stopped on the way."""

    def observe(self, account: Account) -> View: ...
    def run(self, account: Account, program: Program, stdin: bytes, timeout_s: float | None) -> Outcome: ...
    def attach(self, account: Account, program: Program) -> int:
        """Run with this process's own streams and terminal; the exit code.  May become the program instead."""

    def remove(self, account: Account, on_step: OnStepName | None) -> Removed:
        """End every program of the lab and take away all it has, whatever state it is in."""


def observe(segment: LinuxSegment, nodes: Sequence[str]) -> dict[str, Any]:
    """Interfaces (and whether they carry packets), addresses, routes and counters of each node."""
    view: dict[str, Any] = {}
    for node in nodes:
        counters = segment.counters(node)
        view[node] = {
            "interfaces": {
                name: {
                    "carries": carries,
                    "sent_packets": counters[name].tx_packets,
                    "received_packets": counters[name].rx_packets,
                    "queue_drops": counters[name].queue_drops,
                }
                for name, carries in segment.links(node).items()
            },
            "routes": len(segment.routes(node)),
        }
    return view
