"""The files a scenario names, beside its map: telemetry into attached connections, scripts into text.

In: a file and the network.  Out: connections between instances of the map, and what became of every record; a script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.model.result import TelemetryUse
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import Attachment, attach
from shadowlab.telemetry.folder import instance_folders
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.rules import NO_RULES, Rules, rules_of
from shadowlab.topology.compose import decode_text
from shadowlab.topology.formats import read_input

NO_TCP = "a packet that carries no TCP"
"""How the reader of captures counts datagrams, among others."""
MOST_RECORDS = 200_000
"""Records kept of one file, some 300 MB; a dump of every instance every minute for days stays far below."""


def read_rules(path: Path) -> Rules:
    """The rules by which telemetry attaches to the map.  Raises InputError for a file that cannot be read as such."""
    try:
        document = yaml.load(decode_text(read_input(path, what="rules"), name=str(path)), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise InputError(Fault(place=str(path), message=f"no YAML: {str(error)[:200]}")) from error
    return rules_of(document, name=str(path))


def attach_file(
    path: Path, network: Network, rules: Rules = NO_RULES, *, most_records: int = MOST_RECORDS
) -> tuple[Attachment, TelemetryUse]:
    """Read telemetry of any format, as a stream of at most :data:`MOST_RECORDS`, and attach its records to the map.

    Of a receiver's folder every instance has an equal part of these, and what one does not need goes to the others.
    """
    parts = instance_folders(path)
    kept = _read_each(parts, most_records) if len(parts) > 1 else _read(path, most_records, None)
    attachment = attach(kept.records, network, rules)
    left_out: Counter[str] = Counter(kept.passed_over)
    for one in attachment.left_out:
        left_out[one.reason] += one.count
    if kept.beyond:
        where = "an instance" if len(parts) > 1 else "the file"
        left_out[f"beyond the first {kept.most} records of {where}"] = kept.beyond
    return attachment, TelemetryUse(
        records=kept.count,
        unreadable=kept.unreadable,
        connections=len(attachment.connections),
        left_out=dict(sorted(left_out.items())),
    )


@dataclass(kw_only=True)
class _Kept:
    """The first ``most`` records of something, and what became of the rest."""

    most: int
    records: list[TcpRecord]
    count: int
    beyond: int
    unreadable: int
    passed_over: Counter[str]


def _read(path: Path, most: int, format_name: str | None) -> _Kept:
    """Raises InputError where there is no record, unless the format is known beforehand."""
    kept: list[TcpRecord] = []
    with open_telemetry(path, format_name=format_name) as reading:
        for record in reading.records:
            if len(kept) < most:
                kept.append(record)
        # A capture without a connection may hold UDP, which is read by itself.
        if format_name is None and NO_TCP not in reading.tally.passed_over:
            reading.check()
    tally = reading.tally
    return _Kept(
        most=most,
        records=kept,
        count=tally.records,
        beyond=tally.records - len(kept),
        unreadable=tally.unreadable,
        passed_over=Counter(tally.passed_over),
    )


def _read_each(parts: Sequence[tuple[Path, int]], most: int) -> _Kept:
    """The smallest first: each may take an equal part of what is left, and leaves the rest to the larger ones."""
    found: dict[Path, _Kept] = {}
    left = most
    for number, (place, _) in enumerate(sorted(parts, key=lambda one: (one[1], one[0]))):
        found[place] = _read(place, left // (len(parts) - number), "jsonl")
        left -= len(found[place].records)
    if not any(one.count for one in found.values()):
        raise InputError(Fault(place=str(parts[0][0].parent), message="holds no readable record of any instance"))
    return _Kept(
        most=max(one.most for one in found.values() if one.beyond)
        if any(one.beyond for one in found.values())
        else most,
        records=[record for place, _ in parts for record in found[place].records],
        count=sum(one.count for one in found.values()),
        beyond=sum(one.beyond for one in found.values()),
        unreadable=sum(one.unreadable for one in found.values()),
        passed_over=sum((one.passed_over for one in found.values()), Counter()),
    )


def read_script(path: Path) -> str:
    """The text of a remediation script.  Raises InputError for a file that is empty, binary, or cannot be read."""
    return decode_text(read_input(path, what="script"), name=str(path))
