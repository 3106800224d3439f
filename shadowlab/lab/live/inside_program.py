"""A program of ours beside a lab's nodes in the guest, which may enter them all, as one call.

In: a module with a ``main``, a job as a value, a time.  Out: the program's last message.  Never: a program that runs on
when its caller has gone; an ending without a reason.

The program gets its job as JSON on standard input and writes a JSON line for each thing it has to tell.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from shadowlab.errors import ShadowFailedError
from shadowlab.guest.boot import import_path
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.ground import Program
from shadowlab.model.plain import to_plain

Message = Mapping[str, Any]
OnMessage = Callable[[Message], None]


def run_inside(
    ground: EmbeddedGround, module: str, job: object, *, node: str, what: str, timeout_s: float, on_message: OnMessage
) -> Message:
    """Run ``module``'s ``main`` and return its last message; ``on_message`` takes each as it comes.

    Raises ShadowFailedError, with ``what`` as its subject, if it fails, says nothing, or takes too long.
    """
    code = f"import sys; sys.path[:] = {import_path()!r}; from {module} import main; main()"
    program = Program(node=node, argv=(sys.executable, "-B", "-c", code), environment=dict(os.environ))
    last: list[Message] = []

    def on_line(line: bytes) -> None:
        last[:] = [json.loads(line)]
        on_message(last[0])

    outcome = ground.examine(program, json.dumps(to_plain(job)).encode(), timeout_s=timeout_s, on_line=on_line)
    if outcome.exit_code or not last:
        words = outcome.stderr.decode(errors="replace").strip().splitlines()
        why = last[0].get("error") if last else None
        why = why or (words[-1] if words else f"exit code {outcome.exit_code}")
        raise ShadowFailedError(f"{what} did not end well in the guest: {why}")
    return last[0]
