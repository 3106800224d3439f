"""Packet captures, pcap and pcapng: docs/reference/captures.md.

In: a capture.  Out: two records per connection, one for each end.  The work is done in ``telemetry/capture``, which is
imported when the first capture is read: numpy takes longer to import than most files to read.
"""

from __future__ import annotations

from collections.abc import Iterator

from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.capture.packets.magic import EXPECTED, recognise
from shadowlab.telemetry.source import Source

__all__ = ["EXPECTED", "read", "recognise"]


def read(source: Source) -> Iterator[TcpRecord]:
    """The records of a capture, as connections end or, with ``source.interval_ns``, interval by interval."""
    from shadowlab.telemetry.capture.records import read as read_capture

    yield from read_capture(source)
