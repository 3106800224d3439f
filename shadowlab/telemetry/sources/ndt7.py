"""ndt7 speed tests become records: a server's archived results, or the messages of a test as a client saw them.

In: JSON documents.  A result holds ``Download`` or ``Upload`` with ``ServerMeasurements``; a message holds ``TCPInfo``,
and at least the first of a test ``ConnectionInfo``.  ``TCPInfo`` is the *server's* view of the connection.
Out: one record per measurement with ``TCPInfo``: the server is the local end.  Its moment is the test's start plus
``ElapsedTime`` (µs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.telemetry.addresses import LATEST_NS, parse_address, parse_endpoint, parse_moment
from shadowlab.telemetry.json_stream import json_values
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.tcp_info import fields_of_names

EXPECTED = 'expected ndt7 JSON: results with "Download" or "Upload", or messages with "TCPInfo" and "ConnectionInfo"'
_KEYS = re.compile(rb'"(?:ServerMeasurements|ClientMeasurements|TCPInfo|ConnectionInfo|BBRInfo)"\s*:')
_Ends = tuple[str, int, str, int]


def recognise(head: bytes) -> bool:
    """Whether one of the keys that only ndt7 uses stands in the first bytes."""
    return head.lstrip()[:1] in (b"{", b"[") and _KEYS.search(head) is not None


def read(source: Source) -> Iterator[TcpRecord]:
    """The measurements, in file order."""
    connection: tuple[_Ends, int | None] | None = None
    for place, value in json_values(source.blocks, source.tally):
        try:
            if not isinstance(value, dict):
                raise ValueError("a JSON object was expected")
            if "ServerIP" in value:
                yield from _result(value, source, place)
                continue
            if isinstance(info := value.get("ConnectionInfo"), dict):
                connection = (_ends_of(info), _start(info, source.at_ns))
            if not isinstance(value.get("TCPInfo"), dict):
                source.tally.pass_over("a message without TCPInfo: the application's own count")
                continue
            if connection is None:
                raise ValueError("TCPInfo before any ConnectionInfo: whose it is, is unknown")
            yield _record(value["TCPInfo"], connection[0], connection[1], source)
        except ValueError as error:
            source.tally.refuse(place, str(error))


def _result(value: dict[str, Any], source: Source, place: str) -> Iterator[TcpRecord]:
    source.tally.dumps += 1
    ends = (_address(value, "Server"), _port(value, "Server"), _address(value, "Client"), _port(value, "Client"))
    for name in ("Download", "Upload"):
        test = value.get(name)
        if not isinstance(test, dict):
            continue
        start_ns = _start(test, None) or _start(value, source.at_ns)
        if test.get("ClientMeasurements"):
            source.tally.pass_over("what the client reported of itself", len(test["ClientMeasurements"]))
        measurements = test.get("ServerMeasurements") or []
        if not isinstance(measurements, list):
            raise ValueError(f"{name}.ServerMeasurements is no list")
        for index, one in enumerate(measurements):
            info = one.get("TCPInfo") if isinstance(one, dict) else None
            if not isinstance(info, dict):
                source.tally.pass_over("a measurement without TCPInfo")
                continue
            try:
                yield _record(info, ends, start_ns, source)
            except ValueError as error:
                source.tally.refuse(f"{place}, {name} {index}", str(error))


def _record(info: dict[str, Any], ends: _Ends, start_ns: int | None, source: Source) -> TcpRecord:
    if start_ns is None:
        raise ValueError("it does not say when the test began: give --at TIME")
    elapsed = info.get("ElapsedTime", 0)
    if not isinstance(elapsed, int) or isinstance(elapsed, bool) or not 0 <= elapsed * 1000 <= LATEST_NS - start_ns:
        raise ValueError(f"ElapsedTime is {str(elapsed)[:40]!r}")
    fields = fields_of_names(info)
    fields["at_ns"], fields["instance"], fields["source"] = start_ns + elapsed * 1000, source.instance, source.name
    fields["local_address"], fields["local_port"], fields["peer_address"], fields["peer_port"] = ends
    fields["service"] = "ndt7"
    return record_of(fields)


def _start(value: dict[str, Any], otherwise: int | None) -> int | None:
    text = value.get("StartTime")
    return parse_moment(text) if isinstance(text, str) and not text.startswith("0001") else otherwise


def _address(value: dict[str, Any], end: str) -> str:
    text = value.get(f"{end}IP")
    if not isinstance(text, str):
        raise ValueError(f"{end}IP is missing")
    return parse_address(text)


def _port(value: dict[str, Any], end: str) -> int:
    port = value.get(f"{end}Port")
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65_535:
        raise ValueError(f"{end}Port is no port")
    return port


def _ends_of(info: dict[str, Any]) -> _Ends:
    server, client = info.get("Server"), info.get("Client")
    if not isinstance(server, str) or not isinstance(client, str):
        raise ValueError("ConnectionInfo without Server and Client")
    return parse_endpoint(server) + parse_endpoint(client)
