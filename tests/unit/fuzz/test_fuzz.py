"""A short run of the fuzzer over every reader, and all that longer runs have found."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))  # the fuzzer is no part of any test folder

from tests.fuzz import maps  # noqa: E402
from tests.fuzz.readers import check, damaged, packed, recognises, seeds  # noqa: E402

SEEDS = seeds()
MAPS = maps.seeds()
FINDS = sorted((ROOT / "tests" / "captures" / "finds").glob("*.bin"))


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_good_input_gives_records_and_damaged_input_raises_nothing(name: str) -> None:
    chance = random.Random(name)

    assert all(check(name, good)[0] for good in SEEDS[name])
    for _ in range(30 if name == "parquet" else 150):
        data = damaged(chance.choice(SEEDS[name]), chance)
        check(name, data)
        recognises(data)
    if name != "parquet":
        check(name, packed(SEEDS[name][0], chance))


@pytest.mark.parametrize("name", sorted(MAPS))
def test_good_maps_give_nodes_and_damaged_ones_raise_nothing_but_input_errors(name: str) -> None:
    chance = random.Random(name)

    assert all(maps.check(name, good)[0] for good in MAPS[name])
    for _ in range(150):
        maps.check(name, damaged(chance.choice(MAPS[name]), chance))


@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.name)
def test_what_once_broke_a_reader_does_so_no_more(path: Path) -> None:
    name = path.name.rpartition("-")[0]

    told = (maps.check if name.startswith("map-") else check)(name, path.read_bytes())
    assert any(told), "neither a record nor a fault"
