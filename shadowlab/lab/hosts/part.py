"""What is done on a host of a lab: called by the library in a worker's process there.

In: plain values.  Out: plain values; what went wrong comes back as ``why``.  Never: an exception of ours across the
wire; a program left running that its caller does not hear of any more.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shadowlab.errors import ShadowLabError
from shadowlab.kernel.segment.wires import join_by_cable, join_by_tunnel
from shadowlab.lab.farm.parcel import program_hash
from shadowlab.lab.live.choose import choose_kernel
from shadowlab.lab.live.folder import LabFolder
from shadowlab.lab.live.ground import Program
from shadowlab.lab.live.lab import LiveLab
from shadowlab.lab.live.status import status
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain
from shadowlab.shadow.ledger import Intent
from shadowlab.shadow.ops import BRIDGE
from shadowlab.shadow.shape import shape_of

Answer = dict[str, Any]


def on_host(what: str, program: str, words: dict[str, Any]) -> Answer:
    """``what`` of :data:`_DEEDS` with ``words``; ``{"found": …}`` or ``{"why": …, "code": exit code}``."""
    if what not in _ANY_VERSION and program != program_hash():
        return {"why": "it runs another version of ShadowLab or Python: install the same everywhere", "code": 3}
    try:
        return {"found": _DEEDS[what](**words)}
    except ShadowLabError as error:
        return {"why": str(error), "code": error.exit_code}
    except (OSError, ValueError) as error:
        return {"why": f"{type(error).__name__}: {error}", "code": 3}


def _build(name: str, intent: str, map_path: str, names: list[list[str]]) -> str:
    """The mark of the lab that was built.  ``names``: address and name of every node of the whole network."""
    part: Intent = from_plain(Intent, json.loads(intent))
    network: Network = part.network
    choose_kernel("host", network)
    lab = LiveLab(name)
    shape = shape_of(part.ops)
    elsewhere = [(address, node) for address, node in names if node not in shape.nodes]
    lab.up(network, kernel="host", map_path=Path(map_path), shape=shape, elsewhere=elsewhere)
    return lab.account().begun.lab


def _join(wires: list[dict[str, Any]]) -> int:
    """How many wires have their far port now."""
    for one in wires:
        _join_one(**one)
    return len(wires)


def _join_one(*, name: str, other: str, node: str, vni: int, local: str, remote: str, mtu: int) -> None:
    """By a tunnel; by a cable where the ``other`` lab is on this host too."""
    mark = LiveLab(name).whole().begun.lab
    if other:
        join_by_cable(mark, LiveLab(other).whole().begun.lab, node, bridge=BRIDGE, mtu=mtu)
    else:
        join_by_tunnel(mark, node, bridge=BRIDGE, vni=vni, local=local, remote=remote, mtu=mtu)


def _down(name: str) -> int:
    """How many nodes were removed; 0 for a lab that is not there."""
    return len(LiveLab(name).down().nodes) if LabFolder(name).exists else 0


def _status(name: str) -> dict[str, Any]:
    return status(LiveLab(name)) if LabFolder(name).exists else {"state": "gone", "why": f"there is no lab {name}"}


def _run(name: str, node: str, argv: list[str], stdin: str, timeout_s: float | None) -> dict[str, Any]:
    lab = LiveLab(name)
    with lab.in_use() as known:
        ground = lab.ground(known)
    program = Program(node=node, argv=tuple(argv), environment=dict(os.environ), folder="/")
    outcome = ground.run(known, program, base64.b64decode(stdin), timeout_s)
    return {
        "code": outcome.exit_code,
        "stdout": base64.b64encode(outcome.stdout).decode(),
        "stderr": base64.b64encode(outcome.stderr).decode(),
    }


_ANY_VERSION = ("down", "status")
"""What must go on after somebody installed another version somewhere."""
_DEEDS: dict[str, Callable[..., Any]] = {
    "build": _build,
    "join": _join,
    "down": _down,
    "status": _status,
    "run": _run,
}
