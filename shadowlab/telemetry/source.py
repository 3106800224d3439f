"""What a reader of a format is given, and what it must be.

In: nothing.  Out: the types that the formats' readers and the registry share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.tally import Tally

HEAD_BYTES = 65_536
"""What a format is recognised by."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file or stream, unpacked, to be read once.

    ``instance`` and ``at_ns`` say what the content leaves open: on which instance and when it was recorded.
    """

    name: str
    blocks: Iterator[bytes]
    tally: Tally
    path: Path | None = None
    """The file itself, if it is one that is not packed: for formats that must be read out of order."""
    instance: str = ""
    at_ns: int | None = None
    interval_ns: int | None = None
    """For sources of single events (packets): how long the time is that a record is about.  None: all of it."""


@dataclass(frozen=True)
class Format:
    """One format.  ``recognise`` looks at up to :data:`HEAD_BYTES` of unpacked content."""

    name: str
    title: str
    recognise: Callable[[bytes], bool]
    read: Callable[[Source], Iterator[TcpRecord]]
    expects: str
    """What would be right, for the message about a file without one record."""
