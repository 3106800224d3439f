"""A scenario's telemetry may be of any format, and its rules a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadowlab.errors import InputError
from shadowlab.lab.sources import attach_file, read_rules
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.writing import open_writer
from shadowlab.topology.formats import load_map

TOPOLOGIES = Path(__file__).parents[3] / "topologies"
DUMP = TOPOLOGIES / "abilene" / "before.ss"


@pytest.mark.parametrize("name", ["before.jsonl.zst", "before.parquet"])
def test_the_same_records_in_another_format_give_the_same_connections(name: str, tmp_path: Path) -> None:
    network = load_map(TOPOLOGIES / "abilene.yaml")
    with open_telemetry(DUMP) as reading, open_writer(tmp_path / name, "parquet" if "parq" in name else "jsonl") as out:
        for record in reading.records:
            out.write(record)

    attachment, use = attach_file(tmp_path / name, network)

    expected, expected_use = attach_file(DUMP, network)
    assert attachment == expected
    assert use == expected_use


def test_rules_are_read_from_yaml_and_what_is_none_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("names:\n  - {match: 'fe-(\\w+)-\\d+', node: 'web-\\1'}\n")

    assert read_rules(path).node_of_name("fe-sea-12") == "web-sea"
    for text in ("names: [", "- 1", "nothing: 1"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"rules\.yaml"):
            read_rules(path)
