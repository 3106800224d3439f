"""Watch ourselves: once a second, how late our timers were and how much of a processor we used.

In: the loop that everything runs on.  Out: records of the type ``lateness``.
Never: a judgement (that is :mod:`shadowlab.monitor.void_windows`).  Imported inside the guest: standard library only.

On the virtual clock time stands still while we compute, so nothing is late and no processor time passes; the records
are kept there as well, so that a run shows it instead of claiming it.
"""

from __future__ import annotations

from collections.abc import Callable

from shadowlab.kernel.clock import cpu_ns
from shadowlab.kernel.loop import Loop
from shadowlab.store.recorder import Rows

EVERY_NS = 1_000_000_000


class Punctuality:
    """Records at every second of the run after its zero; to be started before whatever else is due at its zero."""

    def __init__(self, loop: Loop, rows: Rows, *, used_ns: Callable[[], int] = cpu_ns) -> None:
        self._loop = loop
        self._rows = rows
        self._used_ns = used_ns
        self._zero_ns = 0
        self._end_ns = 0
        self._since_ns = 0
        self._before_ns = 0

    def start(self, zero_ns: int, duration_ns: int) -> None:
        """What was late before ``zero_ns`` (monotonic) concerns no measurement."""
        self._zero_ns, self._end_ns = zero_ns, zero_ns + duration_ns
        self._loop.at(zero_ns, self._on_zero)

    def _on_zero(self, due_ns: int) -> None:
        self._loop.take_lateness()
        self._before_ns = self._used_ns()
        self._arm(due_ns)

    def _on_second(self, due_ns: int) -> None:
        at_ns = self._loop.now_ns - self._zero_ns
        late, used_ns = self._loop.take_lateness(), self._used_ns()
        used = max(0, used_ns - self._before_ns)
        self._rows.append(at_ns, self._since_ns, late.timers, late.p99_ns, late.max_ns, used)
        self._since_ns, self._before_ns = at_ns, used_ns
        self._arm(due_ns)

    def _arm(self, due_ns: int) -> None:
        if due_ns < self._end_ns:
            self._loop.at(min(due_ns + EVERY_NS, self._end_ns), self._on_second)
