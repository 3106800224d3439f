"""A cure by routing as lines for FRR's ``vtysh``, router by router.

In: a cure.  Out: text; what is not the routing protocol's stands in comments.
"""

from __future__ import annotations

from collections.abc import Sequence

from shadowlab.mitigate.export.subject import Blanks, Subject, one_line
from shadowlab.model.cure.action import Action, MoveRoute, SetMetric

MOST_COST = 65535
"""OSPF's largest cost (RFC 2328, LSInfinity is for routes): the last choice."""


def text(of: Subject) -> str:
    """Two parts: apply, and roll back."""
    blanks = Blanks()
    parts = [_part(name, some, blanks) for name, some in (("apply", of.actions), ("roll back", of.way_back))]
    head = [
        f"! {one_line(of.cure)}: {one_line(of.summary)}",
        f"! Rehearsed in {one_line(of.run)}: {one_line(of.gain)}",
        "! Review before use.  For IS-IS write 'isis metric' instead of 'ip ospf cost'.",
        *(f"! <{name}>: {words}" for name, words in blanks.lines()),
    ]
    return "\n".join([*head, *(line for part in parts for line in ("", *part)), ""])


def _part(name: str, actions: Sequence[Action], blanks: Blanks) -> list[str]:
    lines = [f"! --- {name}"]
    by_router: dict[str, list[str]] = {}
    for one in actions:
        if isinstance(one, SetMetric):
            for here, there in ((one.a, one.b), (one.b, one.a)):
                by_router.setdefault(here, []).extend(
                    [
                        f"interface <{blanks.name('interface', here, there)}>",
                        f" ip ospf cost {min(one.after, MOST_COST)}",
                    ]
                )
        elif not isinstance(one, MoveRoute):  # routes follow from metrics
            lines.append(f"! by other means: {one_line(one.describe())}")
    for router, some in by_router.items():
        lines += [f"! router {one_line(router)}", "configure terminal", *some, "end"]
    return lines
