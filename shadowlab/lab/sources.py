"""Telemetry files into attached connections.

In: a file and the network.  Out: connections between instances of the map, and what became of every record.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.model.result import TelemetryUse
from shadowlab.telemetry.attach import Attachment, attach
from shadowlab.telemetry.ss import bounded_lines, read_ss


def attach_file(path: Path, network: Network) -> tuple[Attachment, TelemetryUse]:
    """Read ``ss`` dumps (a stream: memory stays bounded) and attach their records to the map."""
    try:
        with path.open("rb") as lines:
            reading = read_ss(bounded_lines(lines), name=str(path))
    except OSError as error:
        raise InputError(Fault(place=str(path), message=f"cannot be read: {error.strerror}")) from error
    attachment = attach(reading.records, network)
    left_out: Counter[str] = Counter()
    for one in attachment.left_out:
        left_out[one.reason] += one.count
    return attachment, TelemetryUse(
        records=len(reading.records),
        unreadable=reading.unreadable + reading.beyond_limit,
        connections=len(attachment.connections),
        left_out=dict(sorted(left_out.items())),
    )
