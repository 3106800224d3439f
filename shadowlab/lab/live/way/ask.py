"""Which way packets take in a living lab, hop by hop.

In: a lab, two nodes, a flow.  Out: what routing tables and packets say.  Never: a change of the lab.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from shadowlab.errors import InputError, ShadowFailedError
from shadowlab.guest.boot import import_path
from shadowlab.kernel.ports import Flow
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.ground import Program
from shadowlab.lab.live.lab import LiveLab
from shadowlab.lab.live.way import inside
from shadowlab.lab.live.way.inside import Answered, Asked
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.monitor.tracing.question import PLAIN, Question
from shadowlab.monitor.tracing.witness import Book
from shadowlab.shadow.ledger import Account
from shadowlab.shadow.readback import ops_of
from shadowlab.topology.addressing import gateways_of, leaving_of, owners_of
from shadowlab.topology.wording import did_you_mean

_PATIENCE_S = 120.0
"""For all that a trace may wait for, and as much again for a slow machine."""


def parse_flow(text: str) -> Flow:
    """``tcp:PORT:PORT`` or ``udp:PORT:PORT``, the source's port first.  Raises InputError."""
    protocol, *ports = text.split(":")
    known = len(ports) == 2 and all(one.isascii() and one.isdecimal() and 0 < int(one) < 65_536 for one in ports)
    if not known:
        raise InputError(f"--flow {text}: write tcp:PORT:PORT or udp:PORT:PORT, the port of the source first")
    if protocol == "tcp":
        return Flow("tcp", int(ports[0]), int(ports[1]))
    if protocol == "udp":
        return Flow("udp", int(ports[0]), int(ports[1]))
    raise InputError(f"--flow {text}: {protocol} is neither tcp nor udp")


def trace_way(
    lab: LiveLab,
    source: str,
    target: str,
    *,
    flow: Flow = PLAIN,
    ipv6: bool = False,
    count: int = 3,
    wait_s: float = 1.0,
    mtu: bool = False,
) -> Answered:
    """Trace the way of a flow from one node's own address to another's.

    ``count`` packets for each hop; ``wait_s`` for who does not answer.  Raises InputError for a node that is not there
    or has no such address, ShadowFailedError when a port is taken.
    """
    with lab.in_use() as known:
        asked = _asked(lab, known, Question(source=source, target=target, ipv6=ipv6, flow=flow), count, wait_s, mtu)
        ground = lab.ground(known)
        if not isinstance(ground, EmbeddedGround):
            return inside.answer(asked)
        program = Program(node=source, argv=_argv(), environment=dict(os.environ))
        lines: list[dict[str, Any]] = []
        outcome = ground.examine(
            program,
            json.dumps(to_plain(asked)).encode(),
            timeout_s=_PATIENCE_S,
            on_line=lambda line: lines.append(json.loads(line)),
        )
    if outcome.exit_code or not lines:
        words = outcome.stderr.decode(errors="replace").strip().splitlines()
        raise ShadowFailedError(
            f"lab {lab.name}: the trace did not end well: {words[-1] if words else f'exit code {outcome.exit_code}'}"
        )
    if "failed" in lines[0]:
        raise ShadowFailedError(f"lab {lab.name}: {lines[0]['failed']}")
    answered: Answered = from_plain(Answered, lines[0]["answered"])
    return answered


def _asked(lab: LiveLab, known: Account, question: Question, count: int, wait_s: float, mtu: bool) -> Asked:
    nodes, fabric = known.shape.nodes, known.shape.fabric
    family = "IPv6" if question.ipv6 else "IPv4"
    for node in (question.source, question.target):
        if node not in nodes:
            raise InputError(f"{node} is not a node of lab {lab.name}{did_you_mean(node, nodes)}")
        if not (nodes[node].address6 if question.ipv6 else nodes[node].address):
            raise InputError(f"{node} has no {family} address of its own in lab {lab.name}")
    if question.source == question.target:
        raise InputError(f"{question.source} is where the way would begin, too: name two nodes")
    return Asked(
        lab=known.begun.lab,
        ops=ops_of(known.shape),
        question=question,
        count=count,
        wait_ns=round(wait_s * 1e9),
        mtu=mtu,
        leaving=leaving_of(fabric),
        gateways=gateways_of(fabric),
        book=Book(
            addresses={name: one.address for name, one in nodes.items() if one.address},
            addresses6={name: one.address6 for name, one in nodes.items() if one.address6},
            owners=owners_of(fabric),
        ),
    )


def _argv() -> tuple[str, ...]:
    module = inside.__name__
    code = f"import sys; sys.path[:] = {import_path()!r}; from {module} import main; main()"
    return (sys.executable, "-B", "-c", code)
