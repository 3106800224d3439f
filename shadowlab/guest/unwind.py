"""SIGTERM that cleans up: for work that leaves something behind if it is not unwound.

In:    nothing.
Out:   inside the ``with`` block SIGTERM unwinds the stack like Ctrl-C, and then ends the process as it would have.
Never: replaces a handler that somebody else has set; acts outside the main thread.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def cleanup_on_sigterm() -> Iterator[None]:
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    class Terminated(BaseException):
        pass

    def unwind(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    except Terminated:
        pass
    else:
        return
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
