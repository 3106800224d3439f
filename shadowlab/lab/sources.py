"""The files a scenario names, beside its map: telemetry into attached connections, scripts into text.

In: a file and the network.  Out: connections between instances of the map, and what became of every record; a script.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from shadowlab.errors import Fault, InputError
from shadowlab.model.network import Network
from shadowlab.model.result import TelemetryUse
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.attach import Attachment, attach
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.rules import NO_RULES, Rules, rules_of
from shadowlab.topology.compose import decode_text
from shadowlab.topology.formats import read_input

MOST_RECORDS = 200_000
"""Records kept of one file, some 300 MB; a dump of every instance every minute for days stays far below."""


def read_rules(path: Path) -> Rules:
    """The rules by which telemetry attaches to the map.  Raises InputError for a file that cannot be read as such."""
    try:
        document = yaml.load(decode_text(read_input(path, what="rules"), name=str(path)), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise InputError(Fault(place=str(path), message=f"no YAML: {str(error)[:200]}")) from error
    return rules_of(document, name=str(path))


def attach_file(path: Path, network: Network, rules: Rules = NO_RULES) -> tuple[Attachment, TelemetryUse]:
    """Read telemetry of any format, as a stream of at most :data:`MOST_RECORDS`, and attach its records to the map."""
    kept: list[TcpRecord] = []
    beyond = 0
    with open_telemetry(path) as reading:
        for record in reading.records:
            if len(kept) < MOST_RECORDS:
                kept.append(record)
            else:
                beyond += 1
        reading.check()
    attachment = attach(kept, network, rules)
    left_out: Counter[str] = Counter()
    for one in attachment.left_out:
        left_out[one.reason] += one.count
    left_out.update(reading.tally.passed_over)
    if beyond:
        left_out[f"beyond the first {MOST_RECORDS} records of the file"] = beyond
    return attachment, TelemetryUse(
        records=reading.tally.records,
        unreadable=reading.tally.unreadable,
        connections=len(attachment.connections),
        left_out=dict(sorted(left_out.items())),
    )


def read_script(path: Path) -> str:
    """The text of a remediation script.  Raises InputError for a file that is empty, binary, or cannot be read."""
    return decode_text(read_input(path, what="script"), name=str(path))
