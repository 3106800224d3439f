"""Dumps of ``ss -tinOHm`` become records.

In: lines.  Dumps, each after a comment line ``# instance NAME at 2026-11-22T09:00:00Z`` (or seconds since 1970;
fractions allowed), or one dump whose instance and time the caller knows.  One socket per line as ``-O`` prints it, or
two lines without ``-O``.  Old and new ss.
Out: records; unreadable lines go to the tally by their number.
Never: more memory than a line of 64 kB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.telemetry.addresses import parse_endpoint, parse_moment
from shadowlab.telemetry.blocks import LONGEST_LINE_BYTES, split_lines
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.ss_shape import Shapes

STATES = {
    "ESTAB": "ESTAB",
    "ESTABLISHED": "ESTAB",
    "SYN-SENT": "SYN-SENT",
    "SYN-RECV": "SYN-RECV",
    "FIN-WAIT-1": "FIN-WAIT-1",
    "FIN-WAIT-2": "FIN-WAIT-2",
    "TIME-WAIT": "TIME-WAIT",
    "UNCONN": "UNCONN",
    "CLOSE-WAIT": "CLOSE-WAIT",
    "LAST-ACK": "LAST-ACK",
    "LISTEN": "LISTEN",
    "CLOSING": "CLOSING",
}
"""What ss calls the states of TCP; the second spelling is that of ``/proc`` readers and very old versions."""
EXPECTED = (
    "expected dumps of `ss -tinOHm`, each after a line `# instance NAME at 2026-11-22T09:00:00Z`; record one with: "
    '(echo "# instance $(hostname) at $(date -u +%FT%TZ)"; ss -tinOHm) >> FILE'
)

_STATES = {name.encode(): state for name, state in STATES.items()}
_HEADER = re.compile(r"#\s*instance\s+(\S+)\s+at\s+(\S+)\s*")
_parse_moment = lru_cache(maxsize=1024)(parse_moment)
_TITLES = (b"State ", b"Netid ")


def recognise(head: bytes) -> bool:
    """Whether a dump's header, a state or the column titles begin one of the first lines."""
    for line in head.split(b"\n", 40)[:40]:
        words = line.split(None, 4)
        if _HEADER.fullmatch(line.decode("latin-1")) or line.startswith((b"State  ", b"Netid  ")):
            return True
        if words[:1] == [b"tcp"]:
            del words[0]
        if len(words) > 3 and words[0] in _STATES and words[1].isdigit() and words[2].isdigit():
            return True
    return False


def read(source: Source) -> Iterator[TcpRecord]:
    """The sockets of all dumps, in file order."""
    return _Reader(source).records(split_lines(source.blocks))


class _Reader:
    """The state between two lines: whose dump it is, and the socket whose second line may still come."""

    def __init__(self, source: Source) -> None:
        self._tally = source.tally
        self._name = source.name
        self._shapes = Shapes()
        self._line = 0
        self._instance = source.instance
        self._at_ns = source.at_ns
        self._no_header = "a record before any header line; " + EXPECTED

    def records(self, lines: Iterator[bytes]) -> Iterator[TcpRecord]:
        pending, pending_line = b"", 0
        for raw in lines:
            self._line += 1
            if len(raw) > 200 and raw[0] not in b"\t #" and not pending:  # -O, by far the most: all on one line
                record = self._socket(raw, self._line)
                if record is not None:
                    yield record
                continue
            line = raw.rstrip()
            indented = line[:1] in (b"\t", b" ")
            if indented and pending and len(line) <= LONGEST_LINE_BYTES:
                line, pending = pending + line, b""
                record = self._socket(line, pending_line)
                if record is not None:
                    yield record
                continue
            if pending:
                record = self._socket(pending, pending_line)
                pending = b""
                if record is not None:
                    yield record
            if not line:
                continue
            if line.lstrip()[:1] == b"#":
                self._comment(line.decode("latin-1").strip())
            elif len(line) > LONGEST_LINE_BYTES or (not indented and len(line) > 200):
                record = self._socket(line, self._line)
                if record is not None:
                    yield record
            elif indented:
                self._tally.refuse(self._line, "details without a socket before them")
            elif not line.startswith(_TITLES):
                pending, pending_line = line, self._line
        if pending:
            record = self._socket(pending, pending_line)
            if record is not None:
                yield record

    def _comment(self, line: str) -> None:
        match = _HEADER.fullmatch(line)
        if match is None:
            if re.match(r"#\s*instance\b", line):
                self._bad_header("write `# instance NAME at TIME`")
            return
        try:
            self._at_ns = _parse_moment(match[2])
        except (ValueError, OverflowError) as error:
            self._bad_header(str(error))
            return
        self._instance = match[1].encode("latin-1").decode("utf-8", "replace")
        self._tally.dumps += 1

    def _bad_header(self, why: str) -> None:
        # What follows must not be put down to the instance of the dump before.
        self._at_ns = None
        self._no_header = f"a record under the unreadable header of line {self._line}"
        self._tally.refuse(self._line, f"the header cannot be read: {why}")

    def _socket(self, line: bytes, number: int) -> TcpRecord | None:
        """One socket; None, and counted, if it cannot be read."""
        if len(line) > LONGEST_LINE_BYTES:
            self._tally.refuse(number, f"longer than {LONGEST_LINE_BYTES} bytes")
            return None
        try:
            fields = socket_fields(line, self._shapes)
        except ValueError as error:
            self._tally.refuse(number, str(error))
            return None
        if self._at_ns is None:
            self._tally.refuse(number, self._no_header)
            return None
        fields["at_ns"] = self._at_ns
        fields["instance"] = self._instance
        fields["source"] = self._name
        return record_of(fields)


@lru_cache(maxsize=65_536)
def _endpoint(text: bytes) -> tuple[str, int]:
    return parse_endpoint(text.decode("latin-1"))


def socket_fields(line: bytes, shapes: Shapes) -> dict[str, Any]:
    """The fields of one socket's text.  Raises ValueError with the reason, in words for a person."""
    words = line.split(None, 5)
    if words[:1] == [b"tcp"]:  # ss run without -t prints the protocol first
        words = line.split(None, 6)[1:]
    try:
        state, received, waiting, local, peer = words[:5]
    except ValueError:
        state = words[0] if words else b""
        received = waiting = local = peer = b""
    if state not in _STATES:
        raise ValueError("no TCP state at the start of the line")
    if not (received.isdigit() and waiting.isdigit()):
        raise ValueError("STATE RECV-Q SEND-Q LOCAL:PORT PEER:PORT expected")
    local_address, local_port = _endpoint(local)
    peer_address, peer_port = _endpoint(peer)
    fields = shapes.fields(words[5]) if len(words) > 5 else {}
    if "cwnd_segments" in fields:
        fields["send_queue_bytes"] = int(waiting)
    fields["state"] = _STATES[state]
    fields["local_address"] = local_address
    fields["local_port"] = local_port
    fields["peer_address"] = peer_address
    fields["peer_port"] = peer_port
    return fields
