"""A scenario's telemetry may be of any format, and its rules a file."""

from __future__ import annotations

import json
from collections import Counter
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


def receiver_folder(folder: Path, sizes: dict[str, int]) -> Path:
    """As many records of each instance, each of a connection of its own to db-nyc, in segments of ten."""
    address = {node.id: node.addresses[0] for node in load_map(TOPOLOGIES / "abilene.yaml").hosts}
    for name, count in sizes.items():
        (folder / name).mkdir(parents=True)
        lines = [
            json.dumps(
                {
                    "at_ns": 5,
                    "instance": name,
                    "local_address": address[name],
                    "local_port": 40_000 + number,
                    "peer_address": address["db-nyc"],
                    "peer_port": 80,
                }
            )
            for number in range(count)
        ]
        for first in range(0, count, 10):
            (folder / name / f"{first // 10 + 1:06d}.jsonl").write_text("\n".join(lines[first : first + 10]) + "\n")
    return folder


def test_of_a_receivers_folder_every_instance_has_an_equal_part(tmp_path: Path) -> None:
    folder = receiver_folder(tmp_path / "replica", {"api-chi": 50, "web-atl": 4, "web-sea": 50})
    network = load_map(TOPOLOGIES / "abilene.yaml")

    attachment, use = attach_file(folder, network, most_records=30)

    sources = Counter(one.source for one in attachment.connections)
    assert sources == {
        "api-chi": 13,
        "web-atl": 4,
        "web-sea": 13,
    }  # what the small one does not need goes to the others
    assert use.records == 104
    assert use.left_out == {"beyond the first 13 records of an instance": 74}


def test_a_receivers_folder_within_the_bound_is_read_whole_even_with_an_idle_instance(tmp_path: Path) -> None:
    folder = receiver_folder(tmp_path / "replica", {"api-chi": 12, "web-atl": 3})
    (folder / "web-sea").mkdir()
    (folder / "web-sea" / "000001.jsonl").write_text('{"shadowlab": "telemetry/1"}\n')

    _, use = attach_file(folder, load_map(TOPOLOGIES / "abilene.yaml"))

    assert (use.records, use.left_out) == (15, {})
