"""A program in a node with this process's own streams; a capture is one.

In: a lab, a node or a link.  Out: the program's exit code; on the host's kernel this process becomes the program.
Never: a program started in a lab that is being changed or torn down.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.lab.live.capture import capture_argv
from shadowlab.lab.live.folder import only_name
from shadowlab.lab.live.ground import Program
from shadowlab.lab.live.lab import LiveLab


def attach(lab: str | None, node: str, argv: Sequence[str]) -> int:
    """Run ``argv`` in a node of a lab (None: the only one)."""
    chosen = LiveLab(only_name(lab))
    with chosen.in_use() as known:
        if node not in known.shape.nodes:
            raise InputError(f"{node} is not a node of lab {chosen.name}; there are: {', '.join(known.shape.nodes)}")
        ground = chosen.ground(known)
        program = Program(node=node, argv=tuple(argv), environment=_environment(chosen, node), folder=os.getcwd())
        if known.begun.kernel == "host":  # the lock is let go when this process becomes the program
            return ground.attach(known, program)
    return ground.attach(known, program)


def attach_capture(
    lab: str | None, link: str, *, file: Path, at: str | None, snap_bytes: int, packets: int, seconds: float
) -> int:
    """Capture a link into ``file`` (``-``: standard output)."""
    chosen = LiveLab(only_name(lab))
    ends = {one.node: one.name for one in chosen.whole().shape.fabric.interfaces if one.link == link}
    if not ends:
        raise InputError(f"{link} is not a link of lab {chosen.name}")
    node = at or next(iter(ends))
    if node not in ends:
        raise InputError(f"link {link} has no end at {node}; its ends are at {' and '.join(ends)}")
    if str(file) != "-":
        try:
            fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise InputError(f"{file}: cannot be written: {error.strerror}") from error
        os.dup2(fd, 1)
        os.close(fd)
    argv = capture_argv(
        ends[node],
        description=f"link {link} at {node}, lab {chosen.name}",
        snap_bytes=snap_bytes,
        packets=packets,
        seconds=seconds,
    )
    return attach(chosen.name, node, argv)


def _environment(lab: LiveLab, node: str) -> dict[str, str]:
    return dict(os.environ) | {"SHADOWLAB_LAB": lab.name, "SHADOWLAB_NODE": node}
