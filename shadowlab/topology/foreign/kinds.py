"""What tools call the kinds of nodes.

In: a word.  Out: a kind of ours, or None for a word that tells nothing.
"""

from __future__ import annotations

from shadowlab.model.network import NodeKind

_KINDS: dict[str, NodeKind] = {
    "host": "host", "server": "host", "vm": "host", "instance": "host", "client": "host",
    "router": "router", "switch": "router", "node": "router",
    "segment": "segment", "lan": "segment", "hub": "segment", "bridge": "segment",
}  # fmt: skip


def kind_of(word: str) -> NodeKind | None:
    """``Server`` is a host; ``oddity`` is nothing we know."""
    return _KINDS.get(word.strip().lower())
