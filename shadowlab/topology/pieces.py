"""Whether a map hangs together.

In: node names and the pairs that links join.  Out: the pieces, and words about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_SHOWN = 5


def pieces(nodes: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The connected pieces, largest first, each in the order of ``nodes``.  Pairs must name nodes."""
    around: dict[str, list[str]] = {node: [] for node in nodes}
    for a, b in pairs:
        around[a].append(b)
        around[b].append(a)
    order = {node: number for number, node in enumerate(around)}
    seen: set[str] = set()
    found: list[list[str]] = []
    for start in around:
        if start in seen:
            continue
        seen.add(start)
        piece = [start]
        for node in piece:
            fresh = [other for other in dict.fromkeys(around[node]) if other not in seen]
            seen.update(fresh)
            piece.extend(fresh)
        found.append(sorted(piece, key=order.__getitem__))
    return sorted(found, key=lambda piece: (-len(piece), order[piece[0]]))


def describe_pieces(found: Sequence[Sequence[str]]) -> str:
    """``the map is in 2 pieces: 3 nodes (such as `chi`) and 1 node (`mia`)``."""
    words = [
        f"{len(piece)} nodes (such as `{piece[0]}`)" if len(piece) > 1 else f"1 node (`{piece[0]}`)"
        for piece in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        words.append(f"{len(found) - _SHOWN} smaller ones")
    return f"the map is in {len(found)} pieces: {', '.join(words[:-1])} and {words[-1]}"
