"""Files of every version that was ever given out are read by this one, with the meaning they had.

``formats/`` holds them as they were written: those with a number by version 0.1.0, ``first`` by the very first one.  A
change of format leaves them as they are, and adds those of the new number: this is the test of the migration.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from shadowlab.detect.registry import DETECTORS
from shadowlab.errors import InputError
from shadowlab.lab.recorded.cures import read_cures
from shadowlab.lab.scenario import load_scenario
from shadowlab.model.result import FORMAT
from shadowlab.serve.picture.run import read_result
from shadowlab.topology.formats import load_map

FORMATS = Path(__file__).with_name("formats")


def test_a_map_of_version_1_is_read() -> None:
    shop = load_map(FORMATS / "map-1.yaml")

    assert {"ams", "ber", "par", "web", "db", "cache"} <= {node.id for node in shop.nodes}
    assert {link.id: link.forward.delay_ns for link in shop.links}["ams-ber"] == 5_000_000


def test_the_very_first_map_is_read() -> None:
    abilene = load_map(FORMATS / "first" / "abilene.yaml")

    assert (len(abilene.nodes), len(abilene.links)) == (25, 28)
    assert {link.id: link.forward.rate_bps for link in abilene.links}["kan-ind"] == 10_000_000


@pytest.mark.parametrize(
    ("file", "seconds", "fault"), [("scenario-1.yaml", 60, "ams-ber"), ("first/abilene-incident.yaml", 300, "kan-ind")]
)
def test_scenarios_of_version_1_are_read(file: str, seconds: int, fault: str, tmp_path: Path) -> None:
    shutil.copytree(FORMATS, tmp_path, dirs_exist_ok=True)
    shutil.copytree(Path(__file__).parents[2] / "topologies" / "abilene", tmp_path / "first" / "abilene")
    shutil.copytree(Path(__file__).parents[2] / "topologies" / "scripts", tmp_path / "first" / "scripts")

    scenario = load_scenario(tmp_path / file, known_detectors=frozenset(DETECTORS))

    assert scenario.duration_ns == seconds * 10**9
    assert scenario.expect is not None and scenario.expect.fault == (fault,)


def test_a_result_of_version_1_is_read(tmp_path: Path) -> None:
    shutil.copy(FORMATS / "result-1.json", tmp_path / "result.json")

    result, cures = read_result(tmp_path / "result.json"), read_cures(tmp_path)

    assert result.fault_domain is not None and "ams-ber" in result.fault_domain.links
    assert cures.subject(None).cure == "reroute"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("result/2", "this is result/2, of a newer ShadowLab than this one, which knows result/1: install that"),
        ("result/x", "this is no result/1 document"),
        (None, "this is no result/1 document"),
    ],
)
def test_a_version_that_is_not_known_is_named_with_what_to_do(tmp_path: Path, said: Any, words: str) -> None:
    document = json.loads((FORMATS / "result-1.json").read_text()) | {"format": said}
    (tmp_path / "result.json").write_text(json.dumps(document))

    for read in (read_result, lambda path: read_cures(path.parent)):
        with pytest.raises(InputError, match=re.escape(words)):
            read(tmp_path / "result.json")


def test_the_present_version_is_among_those_kept() -> None:
    assert (FORMATS / f"{FORMAT.replace('/', '-')}.json").is_file()
