"""The formats that maps are written in.

In: a network and the name of a format.  Out: text, and what the format has no place for.  Another format is one writer
and one line in ``WRITERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.model.network import Network
from shadowlab.topology.wording import did_you_mean
from shadowlab.topology.writers import containerlab, graphml, mininet, native, netjson

Writer = Callable[[Network], tuple[str, list[str]]]

WRITERS: dict[str, Writer] = {
    "shadowlab": native.write_native,
    "graphml": graphml.write_graphml,
    "containerlab": containerlab.write_containerlab,
    "netjson": netjson.write_netjson,
    "mininet": mininet.write_mininet,
}
_ENDINGS = {
    ".clab.yml": "containerlab", ".clab.yaml": "containerlab", ".yaml": "shadowlab", ".yml": "shadowlab",
    ".graphml": "graphml", ".json": "netjson", ".py": "mininet",
}  # fmt: skip


def write_map(network: Network, *, path: Path | None, format_key: str | None) -> tuple[str, list[str]]:
    """The text of a map, and a line for each thing it leaves out.  Without a format the name of the file decides;
    without a file it is our own.  Raises InputError for a format or an ending that is not known."""
    known = ", ".join(WRITERS)
    if format_key is None and path is not None:
        format_key = next((key for ending, key in _ENDINGS.items() if path.name.endswith(ending)), None)
        if format_key is None:
            raise InputError(f"{path}: no format is known by this ending; name one with --to: {known}")
    writer = WRITERS.get(format_key or "shadowlab")
    if writer is None:
        raise InputError(
            f"{format_key} is no format to write{did_you_mean(format_key or '', WRITERS)}; known are {known}"
        )
    return writer(network)
