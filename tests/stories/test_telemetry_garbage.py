"""Telemetry that is garbage: streamed in little memory, counted, listed; records of strangers are no error."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from user_command import SMALL, run, run_measured, small_scenario

pytestmark = pytest.mark.story

Garbage = Callable[[], Iterator[bytes]]

MEGABYTE = 1_000_000
MEMORY_KB = 400_000
RECORD = (
    "expected dumps of `ss -tinOHm`, each after a line `# instance NAME at 2026-11-22T09:00:00Z`; record one with: "
    '(echo "# instance $(hostname) at $(date -u +%FT%TZ)"; ss -tinOHm) >> FILE'
)
ONE_LINE = b"x" * MEGABYTE
STRANGER = b"ESTAB 0 0 10.9.9.1:1000 10.9.9.2:2000\n"


def noise() -> Iterator[bytes]:
    chance = random.Random(1)
    while True:
        yield chance.randbytes(MEGABYTE)


def words() -> Iterator[bytes]:
    line = b"ESTAB and then it said nothing that makes any sense to whoever might be reading this line\n"
    while True:
        yield line * (MEGABYTE // len(line))


def one_line() -> Iterator[bytes]:
    while True:
        yield ONE_LINE


def strangers() -> Iterator[bytes]:
    """Readable records of instances that no map knows: the garbage that costs most, for it is kept for a while."""
    yield b"# instance stranger at 2026-11-22T09:00:00Z\n"
    while True:
        yield STRANGER * (MEGABYTE // len(STRANGER))


def write(path: Path, pieces: Iterator[bytes], size_bytes: int) -> None:
    with path.open("wb") as file:
        while file.tell() < size_bytes:
            file.write(next(pieces))


def assert_refused(folder: Path, pieces: Iterator[bytes], megabytes: int, words: str) -> None:
    small_scenario(folder)
    write(folder / "before.ss", pieces, megabytes * MEGABYTE)

    ended, peak_kb = run_measured("run", "incident.yaml", "--out", "out", folder=folder)

    (folder / "before.ss").unlink()  # pytest keeps its folders for a while
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"shadowlab: before.ss: {words}"), ended.stderr[:500]
    assert len(ended.stderr) < 4_000
    assert "Traceback" not in ended.stderr
    assert not (folder / "out").exists()
    assert 10_000 < peak_kb < MEMORY_KB


@pytest.mark.parametrize("garbage", [noise, words, one_line])
def test_50_mb_that_hold_no_record_are_refused_in_little_memory(tmp_path: Path, garbage: Garbage) -> None:
    assert_refused(tmp_path, garbage(), 50, "no readable record of format ss; expected dumps")


def test_50_mb_of_strangers_are_refused_in_little_memory(tmp_path: Path) -> None:
    assert_refused(
        tmp_path,
        strangers(),
        50,
        "no connection of this telemetry can be driven between two instances of map.yaml; left out: "
        "beyond the first 200000 records of the file: ",
    )


@pytest.mark.slow
@pytest.mark.parametrize("garbage", [noise, words, one_line])
def test_a_gigabyte_that_holds_no_record_is_refused_in_little_memory(tmp_path: Path, garbage: Garbage) -> None:
    assert_refused(tmp_path, garbage(), 1000, "no readable record of format ss; expected dumps")


@pytest.mark.slow
def test_300_mb_of_strangers_are_refused_in_little_memory(tmp_path: Path) -> None:
    assert_refused(tmp_path, strangers(), 300, "no connection of this telemetry can be driven between two instances")


def test_garbage_among_good_records_is_counted_and_the_good_ones_are_used(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    good = (SMALL / "before.ss").read_bytes()
    (tmp_path / "before.ss").write_bytes(b"\0\1\2 noise\n" + b"z" * 200_000 + b"\n" + good + b"ESTAB half a rec")

    ended = run("plan", "incident.yaml", "--json", folder=tmp_path)

    assert (ended.code, ended.stderr) == (0, "")
    plan = json.loads(ended.stdout)
    assert len(plan["flows"]) == 3
    assert plan["telemetry"] == {
        "is": "TelemetryUse",
        "records": 12,
        "unreadable": 3,
        "connections": 3,
        "left_out": {},
    }
