"""A candidate cure: what is done, how it is undone, and both in words.

In: operations.  Out: frozen candidates.  Never: an effect, an order of merit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shadowlab.model.cure.action import Action
from shadowlab.shadow.ops import Op

CureKind = Literal[
    "nothing",
    "reroute",
    "metric",
    "weights",
    "drain",
    "upgrade",
    "queue",
    "congestion",
    "limit",
    "compute",
    "scale-out",
    "move",
    "path",
    "script",
    "combination",
]

EFFORT: Mapping[str, int] = {
    "nothing": 0,
    "metric": 1,
    "weights": 1,
    "reroute": 1,
    "path": 1,
    "drain": 2,
    "queue": 2,
    "congestion": 2,
    "script": 2,
    "limit": 3,
    "compute": 3,
    "scale-out": 4,
    "move": 4,
    "upgrade": 5,
}
"""What a cure costs to do, for cures that help alike: a route changes by a command, a limit takes something from
somebody, bandwidth has to be ordered.  A combination costs what its parts cost."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One cure.  ``impossible`` is empty, or says why it cannot be tried here; ``warnings`` what is to be expected of
    it that is not good.  ``undo`` takes back ``ops``, where it comes from the state that it was made for."""

    name: str
    kind: CureKind
    summary: str
    ops: tuple[Op, ...] = ()
    undo: tuple[Op, ...] = ()
    impossible: str = ""
    warnings: tuple[str, ...] = ()
    effort: int = 0
    actions: tuple[Action, ...] = ()
    """The same in production's terms."""
    parts: tuple[str, ...] = ()
    """Of a combination, the names of what it combines."""


NOTHING = Candidate(name="do nothing", kind="nothing", summary="leave everything as it is")


def combined(first: Candidate, second: Candidate) -> Candidate:
    """Both at once; taken back in the opposite order."""
    return Candidate(
        name=f"{first.name} + {second.name}",
        kind="combination",
        summary=f"{first.summary}; and {second.summary}",
        ops=(*first.ops, *second.ops),
        undo=(*second.undo, *first.undo),
        warnings=(*first.warnings, *second.warnings),
        effort=first.effort + second.effort,
        actions=(*first.actions, *second.actions),
        parts=(*(first.parts or (first.name,)), *(second.parts or (second.name,))),
    )
