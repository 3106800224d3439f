"""What Ctrl-C and SIGTERM do: that depends on what there is to lose.

In: signals.  Out: one line and exit code 130.  Never: an exception while somebody cleans up; a second Ctrl-C that
spoils what the first began.

An exception from a signal handler may strike anywhere, and C code that calls Python may swallow it: of 80 runs
interrupted while they imported their libraries one went on to its end.  So a run is ended at once as long as it has
made nothing, and looks for the wish to end itself from then on (:mod:`shadowlab.lab.interrupt`).
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Literal, NoReturn

EXIT_INTERRUPTED = 130
"""Also in `shadowlab.errors`, which is not imported yet when the first signal may come."""

_CLEAR_LINE_SHOW_CURSOR = "\r\x1b[K\x1b[?25h"
_STDERR = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Unwind(BaseException):
    """Ctrl-C or SIGTERM.  No KeyboardInterrupt, which click answers with an empty line."""


class Interrupt:
    """The handler of the signals.  Begins by unwinding the stack, once: for commands that clean up in ``finally``."""

    def __init__(self) -> None:
        self._asked = False
        self._way: Literal["unwind", "note", "leave"] = "unwind"
        self._state = "nothing was left behind"

    def install(self) -> None:
        """Take the signals, but not those that whoever started us wants ignored, as nohup does."""
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        first, self._asked = not self._asked, True
        if self._way == "leave":
            self._leave()
        if self._way == "unwind" and first:
            raise Unwind

    def ignore(self) -> None:
        """The exit code is decided: no signal changes it while the interpreter ends."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def asked(self) -> bool:
        """Whether a signal came."""
        return self._asked

    def something_to_lose(self) -> None:
        """Only note signals from here on."""
        self._way = "note"

    def nothing_to_lose(self, state: str = "nothing was left behind") -> None:
        """End the process at once when a signal comes, or now if one came.  ``state`` is told then."""
        self._way, self._state = "leave", state
        if self._asked:
            self._leave()

    def say(self, before: str = "") -> None:
        """The one line.  Past Python's buffers: a signal may have interrupted somebody who is writing to them."""
        os.write(_STDERR, f"{before}shadowlab: interrupted; {self._state}\n".encode())

    def _leave(self) -> NoReturn:
        self.say(_CLEAR_LINE_SHOW_CURSOR if os.isatty(_STDERR) else "")  # a progress display may be at work
        os._exit(EXIT_INTERRUPTED)
