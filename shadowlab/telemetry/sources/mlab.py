"""M-Lab's archived sock_diag records become records: JSON lines of the kernel's bytes in base64.

In: lines.  A file begins with a ``Metadata`` line (M-Lab's id of the connection); each further line holds the moment,
``RawIDM`` (an ``inet_diag_msg``) and ``Attributes``, an array indexed by the kind of attribute.
Out: records.

A moment that the archiver did not know is written as year 1; then the caller must say when it was recorded.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Iterator
from typing import Any

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.telemetry.addresses import parse_moment
from shadowlab.telemetry.json_stream import json_lines
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.sock_diag import CLOSED, fields_of_socket
from shadowlab.wire.inet_diag import decode_socket

EXPECTED = 'expected JSON lines with "Timestamp", "RawIDM" and "Attributes", as M-Lab\'s tcp-info archives them'
MOST_ATTRIBUTES = 64
_NEVER = "0001-01-01T00:00:00Z"


def recognise(head: bytes) -> bool:
    """Whether the first line has the archive's keys."""
    line = head.lstrip().partition(b"\n")[0]
    if b'"RawIDM"' in line and b'"Attributes"' in line:
        return True
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and isinstance(value.get("Metadata"), dict) and "UUID" in value["Metadata"]


def read(source: Source) -> Iterator[TcpRecord]:
    """The records, in file order."""
    for number, line in json_lines(source.blocks, source.tally):
        if isinstance(line.get("Metadata"), dict):
            source.tally.dumps += 1
            if "RawIDM" not in line:
                continue
        try:
            message, attributes = _raw(line)
            at_ns = _moment(line, source.at_ns)
            fields = _fields(message, attributes)
        except (ValueError, struct.error, binascii.Error) as error:
            source.tally.refuse(number, str(error))
            continue
        fields["at_ns"], fields["instance"], fields["source"] = at_ns, source.instance, source.name
        if fields["state"] == CLOSED:
            fields["closed_ns"] = at_ns
        yield record_of(fields)


def _raw(line: dict[str, Any]) -> tuple[bytes, list[bytes | None]]:
    message, attributes = line.get("RawIDM"), line.get("Attributes")
    if not isinstance(message, str):
        raise ValueError("RawIDM is missing")
    if attributes is None:
        attributes = []
    if not isinstance(attributes, list) or len(attributes) > MOST_ATTRIBUTES:
        raise ValueError("Attributes is no list, or too long a one")
    if not all(one is None or isinstance(one, str) for one in attributes):
        raise ValueError("an attribute is no base64 text")
    return base64.b64decode(message, validate=True), [
        None if one is None else base64.b64decode(one, validate=True) for one in attributes
    ]


def _moment(line: dict[str, Any], otherwise: int | None) -> int:
    text = line.get("Timestamp")
    if isinstance(text, str) and not text.startswith(_NEVER[:4]):
        return parse_moment(text)
    if otherwise is None:
        raise ValueError("the archive does not know when this was recorded: give --at TIME")
    return otherwise


def _fields(message: bytes, attributes: list[bytes | None]) -> dict[str, Any]:
    order = "<"  # the archive was made on little-endian machines, and its readers rely on it
    socket = decode_socket(message, order)
    known = {kind: payload for kind, payload in enumerate(attributes) if payload is not None}
    return dict(fields_of_socket(socket._replace(attributes=known), order))
