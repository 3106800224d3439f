"""What bcc's ``tcplife`` prints becomes records: one per connection, printed when it ended.

In: text with column titles (any of its options), or comma-separated values (``-s``).
Out: records of closed connections: counters from the opening to the end, and both moments.

``TX_KB`` and ``RX_KB`` are whole kilobytes, rounded down: the bytes may be up to 1023 more, and 0 kB tells nothing.
The time column is either seconds since the trace began (``-t``; it began at the time the caller gives) or a time of
day (``-T``; of the first day on or after the caller's time, UTC).  Without one, the caller's time is that of the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shadowlab.model.telemetry import TcpRecord, record_of
from shadowlab.model.units import NS_PER_MS, NS_PER_S
from shadowlab.telemetry.addresses import parse_address
from shadowlab.telemetry.blocks import LONGEST_LINE_BYTES, split_lines
from shadowlab.telemetry.source import Source
from shadowlab.telemetry.sources.values import LARGEST, known

EXPECTED = (
    "expected the output of bcc's tcplife with its column titles (PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS)"
)
_NEEDED = ("COMM", "LADDR", "LPORT", "RADDR", "RPORT", "MS")
_DAY_NS = 86_400 * NS_PER_S
_TIME_OF_DAY = re.compile(r"(\d\d):(\d\d):(\d\d)")


def recognise(head: bytes) -> bool:
    """Whether the titles stand in one of the first lines."""
    return any(_titles(line.decode("latin-1")) for line in head.split(b"\n", 20)[:20])


def _titles(line: str) -> list[str] | None:
    words = [word.strip() for word in (line.split(",") if "," in line else line.split())]
    return words if all(name in words for name in _NEEDED) else None


def read(source: Source) -> Iterator[TcpRecord]:
    """The connections, in file order."""
    titles: list[str] | None = None
    commas = False
    for number, raw in enumerate(split_lines(source.blocks), start=1):
        if len(raw) > LONGEST_LINE_BYTES:
            source.tally.refuse(number, f"longer than {LONGEST_LINE_BYTES} bytes")
            continue
        line = raw.decode("latin-1").strip()
        if not line or line.startswith(("Tracing", "#")):
            continue
        found = _titles(line)
        if found:
            titles, commas = found, "," in line
            source.tally.dumps += 1
            continue
        try:
            if titles is None:
                raise ValueError("a line before the column titles")
            yield _record(_cells(line, titles, commas), source)
        except ValueError as error:
            source.tally.refuse(number, str(error))


def _cells(line: str, titles: list[str], commas: bool) -> dict[str, str]:
    if commas:
        cells = [cell.strip() for cell in line.split(",")]
    else:
        # The program's name may hold spaces: what stands right of it is counted from the right.
        words, at = line.split(), titles.index("COMM")
        behind = len(titles) - at - 1
        if len(words) < len(titles):
            raise ValueError(f"{len(words)} columns where {len(titles)} titles stand")
        cells = [*words[:at], " ".join(words[at : len(words) - behind]), *words[len(words) - behind :]]
    if len(cells) != len(titles):
        raise ValueError(f"{len(cells)} columns where {len(titles)} titles stand")
    return dict(zip(titles, cells, strict=True))


def _record(cells: dict[str, str], source: Source) -> TcpRecord:
    at_ns = _moment(cells, source.at_ns)
    life_ns = _decimal(cells, "MS", NS_PER_MS)
    if life_ns > at_ns:
        raise ValueError(f"MS is {cells['MS'][:40]}: longer than since 1970")
    fields: dict[str, Any] = known(
        bytes_acked=_kilobytes(cells, "TX_KB"),
        bytes_received=_kilobytes(cells, "RX_KB"),
    )
    fields |= {
        "at_ns": at_ns,
        "state": "CLOSED",
        "opened_ns": at_ns - life_ns,
        "closed_ns": at_ns,
        "instance": source.instance,
        "service": cells["COMM"].encode("latin-1").decode("utf-8", "replace")[:1000],
        "local_address": parse_address(cells["LADDR"]),
        "local_port": _port(cells, "LPORT"),
        "peer_address": parse_address(cells["RADDR"]),
        "peer_port": _port(cells, "RPORT"),
        "source": source.name,
    }
    return record_of(fields)


def _moment(cells: dict[str, str], at_ns: int | None) -> int:
    if at_ns is None:
        raise ValueError("tcplife prints no date: give --at TIME, when the trace began")
    if "TIME(s)" in cells:
        return at_ns + _decimal(cells, "TIME(s)", NS_PER_S)
    clock = cells.get("TIME")
    if clock is None:
        return at_ns
    match = _TIME_OF_DAY.fullmatch(clock)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3]) > 60:
        raise ValueError(f"TIME is {clock[:40]!r}, which is no time of day")
    of_day = (int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])) * NS_PER_S
    moment = at_ns - at_ns % _DAY_NS + of_day
    return moment if moment >= at_ns - at_ns % NS_PER_S else moment + _DAY_NS


def _decimal(cells: dict[str, str], name: str, factor: int) -> int:
    text = cells[name]
    if not re.fullmatch(r"\d{1,18}(\.\d{1,9})?", text, re.ASCII):
        raise ValueError(f"{name} is {text[:40]!r}, which is no number")
    value = round(float(text) * factor)
    if value >= LARGEST:
        raise ValueError(f"{name} is {text[:40]}: too large")
    return value


def _kilobytes(cells: dict[str, str], name: str) -> int | None:
    return _decimal(cells, name, 1024) or None if name in cells else None


def _port(cells: dict[str, str], name: str) -> int:
    text = cells[name]
    if not text.isdecimal() or len(text) > 5 or int(text) > 65_535:
        raise ValueError(f"{name} is {text[:40]!r}, which is no port")
    return int(text)
