"""The exceptions people meet, and the exit code of each family.

::

    ShadowLabError
    +-- InputError            exit 2: the input is wrong; says where, and what would be right
    +-- CannotRunError        exit 3: this machine cannot do it; names the missing piece
        +-- DiskFullError        the disk has no room: what was written until then is left, as far as it can be read
    +-- ShadowFailedError     exit 3: the shadow could not be built or died on the way
        +-- KernelRefusedError   one kernel operation failed: what was tried, on what, why

Exit 0 means that the service levels hold (or that the scenario's expectations are met), 1 that they do not.
"""

from __future__ import annotations

from dataclasses import dataclass

EXIT_OK = 0
EXIT_LEVELS_BROKEN = 1
EXIT_INPUT = 2
EXIT_CANNOT_RUN = 3
EXIT_INTERRUPTED = 130


class ShadowLabError(Exception):
    """Anything ShadowLab says to its user instead of a result."""

    exit_code = EXIT_CANNOT_RUN


@dataclass(frozen=True, kw_only=True, order=True)
class Fault:
    """One thing that is wrong with an input file."""

    place: str
    """``file:line:column``, or as much of it as is known."""
    message: str

    def __str__(self) -> str:
        # One fault, one line: what an input holds of line breaks and escape sequences is told, not passed on.
        words = f"{self.place}: {self.message}"
        return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in words)


class InputError(ShadowLabError):
    """The input is wrong.  Carries every fault found, not only the first."""

    exit_code = EXIT_INPUT

    def __init__(self, *faults: Fault | str) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in faults))


class CannotRunError(ShadowLabError):
    """This machine lacks something; the message names it and what would mend it."""


class DiskFullError(CannotRunError):
    """No space is left on a disk."""


class ShadowFailedError(ShadowLabError):
    """The shadow could not be built, or ended before its job was done."""


class KernelRefusedError(ShadowFailedError):
    """The kernel refused one operation."""

    def __init__(self, *, tried: str, errno_name: str, why: str) -> None:
        self.tried = tried
        self.errno_name = errno_name
        super().__init__(f"{tried}: {why} ({errno_name})")
