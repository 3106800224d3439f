"""The files a scenario names, beside its map: telemetry into attached connections, scripts into text.

In: a file and the network.  Out: connections between instances of the map, and what became of every record; a script.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.model.result import TelemetryUse
from shadowlab.telemetry.attach import Attachment, attach
from shadowlab.telemetry.ss import bounded_lines, read_ss
from shadowlab.topology.compose import decode_text
from shadowlab.topology.formats import read_input

MOST_RECORDS = 200_000
"""Records kept of one file, some 300 MB; a dump of every instance every minute for days stays far below."""


def attach_file(path: Path, network: Network) -> tuple[Attachment, TelemetryUse]:
    """Read ``ss`` dumps, as a stream of at most :data:`MOST_RECORDS`, and attach their records to the map."""
    try:
        with path.open("rb") as lines:
            reading = read_ss(bounded_lines(lines), name=str(path), limit=MOST_RECORDS)
    except OSError as error:
        raise InputError(Fault(place=str(path), message=f"cannot be read: {error.strerror}")) from error
    attachment = attach(reading.records, network)
    left_out: Counter[str] = Counter()
    for one in attachment.left_out:
        left_out[one.reason] += one.count
    if reading.beyond_limit:
        left_out[f"beyond the first {MOST_RECORDS} records of the file"] = reading.beyond_limit
    return attachment, TelemetryUse(
        records=len(reading.records) + reading.beyond_limit,
        unreadable=reading.unreadable,
        connections=len(attachment.connections),
        left_out=dict(sorted(left_out.items())),
    )


def read_script(path: Path) -> str:
    """The text of a remediation script.  Raises InputError for a file that is empty, binary, or cannot be read."""
    return decode_text(read_input(path, what="script"), name=str(path))
