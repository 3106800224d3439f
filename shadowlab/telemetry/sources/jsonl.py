"""Our own JSON lines: one object per record, with the fields of :class:`TcpRecord` that are known.

In: lines.  Out: records, checked field by field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from shadowlab.model.telemetry import ALWAYS, MEASURED, TcpRecord
from shadowlab.telemetry.checked import checked_record
from shadowlab.telemetry.json_stream import json_lines
from shadowlab.telemetry.source import Source

HEADER = {"shadowlab": "telemetry/1"}
"""The first line of a file that we write.  It may be missing, or stand in the middle of joined files."""
EXPECTED = 'expected one JSON object per line with at least "at_ns", "instance" and the addresses; see the reference'
_DEFAULTS = {"state": "ESTAB", "scope": "connection", "peer": "", "service": "", "source": ""}


def recognise(head: bytes) -> bool:
    """Whether the first line is our header or one of our records."""
    line = head.lstrip().partition(b"\n")[0]
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and (value == HEADER or "at_ns" in value)


def read(source: Source) -> Iterator[TcpRecord]:
    """The records, in file order."""
    for number, value in json_lines(source.blocks, source.tally):
        if "shadowlab" in value:
            if value != HEADER:
                source.tally.refuse(number, f"version {str(value['shadowlab'])[:40]!r} is not {HEADER['shadowlab']!r}")
            continue
        try:
            yield checked_record(value)
        except ValueError as error:
            source.tally.refuse(number, str(error))


def line_of(record: TcpRecord) -> str:
    """The record as one line, without its end; unknown fields are left out."""
    known = {name: getattr(record, name) for name in ALWAYS}
    for name, default in _DEFAULTS.items():
        if known[name] == default:
            del known[name]
    values = record.__dict__
    known.update((name, values[name]) for name in MEASURED if values.get(name) is not None)
    return json.dumps(known, ensure_ascii=False, separators=(",", ":"))


def header_line() -> str:
    """The first line of a file."""
    return json.dumps(HEADER)
