"""How a run learns that it shall end early.

In: whatever the face makes of Ctrl-C and its like.  Out: :class:`Interrupted`, raised where the run looks for it.
Never: an exception out of the blue: libraries swallow those, and cleaning up must not be disturbed by the next.
"""

from __future__ import annotations

from typing import Protocol


class Interrupted(BaseException):
    """Somebody wants the run to end.  No error, so no handler of errors takes it for one."""


class Interrupt(Protocol):
    """The wish to end, as the face hears it."""

    def something_to_lose(self) -> None:
        """From here on the wish is only noted: the run looks at :meth:`asked`, and cleans up."""

    def asked(self) -> bool:
        """Whether somebody wants the run to end."""


def check(interrupt: Interrupt) -> None:
    """Raise :class:`Interrupted` if somebody wants the run to end."""
    if interrupt.asked():
        raise Interrupted
