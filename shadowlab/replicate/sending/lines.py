"""Raw messages become the lines of a batch.  Pure: the moment is an argument.

In: what changed, the host's figures.  Out: JSON lines, cut into batches of bounded size.
Never: an address that was not disguised; a field that is not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from shadowlab.model.telemetry import ALWAYS, field_kinds
from shadowlab.replicate.sending.changes import Changes
from shadowlab.replicate.sending.disguise import Disguise
from shadowlab.telemetry.sources.sock_diag import CLOSED, fields_of_socket
from shadowlab.wire.inet_diag import MESSAGE_BYTES, decode_socket

RECORDS_A_BATCH = 2000
BYTES_A_BATCH = 4 << 20
_TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def lines_of(
    changes: Changes,
    host: Mapping[str, Any],
    *,
    instance: str,
    at_ns: int,
    from_ns: int | None,
    disguise: Disguise,
) -> Iterator[str]:
    """In the order of time: sockets that ended, the host, those that vanished, and those that are open."""
    for ended_ns, message in changes.ended:
        yield _line(message, instance, ended_ns, disguise, closed_ns=ended_ns)
    yield _host_line(changes, host, instance=instance, at_ns=at_ns, from_ns=from_ns)
    for head in changes.vanished:
        # Its counters of the last reading are not those of its end: only that it ended is known.
        fields = fields_of_socket(decode_socket(head.ljust(MESSAGE_BYTES, b"\0")))
        yield _TO_JSON(_placed({**fields, "state": CLOSED}, instance, at_ns, disguise))
    for message in changes.told:
        yield _line(message, instance, at_ns, disguise)


def _line(message: bytes, instance: str, at_ns: int, disguise: Disguise, *, closed_ns: int | None = None) -> str:
    fields: dict[str, Any] = fields_of_socket(decode_socket(message))
    if closed_ns is not None:
        fields["closed_ns"] = closed_ns
    return _to_line(_placed(fields, instance, at_ns, disguise))


def _to_line(fields: dict[str, Any]) -> str:
    """As :data:`_TO_JSON` would write it, in half the time: sockets have few different sets of fields, and the text
    around the values is kept for each."""
    if "congestion_control" in fields:
        fields["congestion_control"] = _inside_quotes(fields["congestion_control"])
    for name in _FLAGS:
        if name in fields:
            fields[name] = "true" if fields[name] else "false"
    fields["instance"] = _inside_quotes(fields["instance"])
    names = tuple(fields)
    form = _FORMS.get(names)
    if form is None:
        if len(_FORMS) >= _MOST_FORMS:
            _FORMS.clear()
        kinds = field_kinds()
        parts = (f'"{name}":"%s"' if kinds[name] is str else f'"{name}":%s' for name in names)
        form = _FORMS[names] = "{" + ",".join(parts) + "}"
    return form % tuple(fields.values())


_FLAGS = tuple(name for name, kind in field_kinds().items() if kind is bool)
_FORMS: dict[tuple[str, ...], str] = {}
_MOST_FORMS = 256


@lru_cache(maxsize=256)
def _inside_quotes(text: str) -> str:
    return _TO_JSON(text)[1:-1]


def _placed(fields: dict[str, Any], instance: str, at_ns: int, disguise: Disguise) -> dict[str, Any]:
    fields["at_ns"], fields["instance"] = at_ns, instance
    fields["local_address"] = disguise(fields["local_address"])
    fields["peer_address"] = disguise(fields["peer_address"])
    return fields


def _host_line(changes: Changes, host: Mapping[str, Any], *, instance: str, at_ns: int, from_ns: int | None) -> str:
    fields: dict[str, Any] = {
        **dict.fromkeys(("local_address", "peer_address"), ""),
        **dict.fromkeys(("local_port", "peer_port"), 0),
        "at_ns": at_ns,
        "instance": instance,
        "scope": "host",
        "connections_open": changes.open,
        **host,
    }
    if from_ns is not None and from_ns <= at_ns:
        fields["from_ns"] = from_ns
        if changes.opened is not None:
            fields["connections_opened"] = changes.opened
    assert fields.keys() >= set(ALWAYS[:6])
    return _TO_JSON(fields)


def batches_of(lines: Iterator[str]) -> Iterator[Sequence[str]]:
    """Cut into pieces of at most :data:`RECORDS_A_BATCH` lines and about :data:`BYTES_A_BATCH` bytes; never none."""
    piece: list[str] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if len(piece) >= RECORDS_A_BATCH or size >= BYTES_A_BATCH:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece
