"""What a worker does with an errand.  Called by the library in the worker's process, one at a time.

In: a parcel, a kernel's files where they are asked for.  Out: a reply.  Never: an exception: what went wrong is a
reply too, for a traceback of a library says nothing to whoever waits for an answer.
"""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any, Literal

from shadowlab.errors import CannotRunError, ShadowLabError
from shadowlab.lab.ahead.crew import LocalCrew
from shadowlab.lab.execute import Place
from shadowlab.lab.farm.parcel import KernelParcel, Parcel, find_by_hash, keep_kernel, unpack
from shadowlab.model.plain import to_plain
from shadowlab.predict.sweep.figures import RunFigures

Outcome = Literal["figures", "failed", "cannot", "needs kernel"]
Reply = dict[str, Any]
"""``outcome``; ``figures`` as plain values, or ``why``."""

_AT_MOST_ONE = threading.Lock()


def run_parcel(parcel: Parcel, kernel: KernelParcel | None) -> Reply:
    """``figures``: what came out.  ``failed``: the shadow failed, here and perhaps everywhere.  ``cannot``: this worker
    runs no errand at all.  ``needs kernel``: send its files along."""
    with _AT_MOST_ONE:
        try:
            return _run(parcel, kernel)
        except (ShadowLabError, OSError, ValueError) as error:
            cannot = isinstance(error, CannotRunError | OSError | ValueError)
            return _reply("cannot" if cannot else "failed", why=f"{os.uname().nodename}: {error}")


def _run(parcel: Parcel, kernel: KernelParcel | None) -> Reply:
    errand = unpack(parcel)
    found = find_by_hash(parcel.kernel)
    if found is None:
        if kernel is None:
            return _reply("needs kernel")
        found = keep_kernel(kernel, parcel.kernel)
    came: list[tuple[RunFigures, bool]] = []
    with tempfile.TemporaryDirectory(prefix="shadowlab-errand-") as scratch:
        place = Place(kind="embedded", clock="virtual", kernel=found)
        crew = LocalCrew(place=place, scratch=Path(scratch), interrupted=lambda: False)
        crew.run([errand], lambda _number, figures, good: came.append((figures, good)))
    figures, good = came[0]
    if not good:
        return _reply("failed", why=figures.fault)
    return _reply("figures", figures=to_plain(figures))


def _reply(outcome: Outcome, **more: object) -> Reply:
    return {"outcome": outcome, **more}
