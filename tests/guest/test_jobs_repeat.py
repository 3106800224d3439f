"""Every shape of network and traffic gives the same bytes, whoever runs it, where, and beside what.

The jobs are those of ``benchmarks/repeat.py``, which runs them many times.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.repeated.circumstances import (
    OTHER,
    PLAIN,
    Line,
    busy_machine,
    differing,
    have_byte_code,
    run_jobs,
)
from benchmarks.repeated.jobs import JOBS, PACKED, PACKS, SINGLE

pytestmark = pytest.mark.guest

SEED = 7


def twice(names: tuple[str, ...], folder: Path) -> list[tuple[Line, Line]]:
    """The lines of each job: plainly run, and under other circumstances with load beside it."""
    plain, other = folder / "plain", folder / "other"
    have_byte_code()
    plain.mkdir()
    other.mkdir()
    with ThreadPoolExecutor() as pool, busy_machine():
        first = pool.submit(run_jobs, names, plain, PLAIN, seed=SEED)
        second = pool.submit(run_jobs, names, other, OTHER, seed=SEED)
        return list(zip(first.result(), second.result(), strict=True))


def assert_repeated(pairs: list[tuple[Line, Line]]) -> None:
    assert [(one["job"], differing(one, other)) for one, other in pairs if differing(one, other)] == []
    for one, _ in pairs:
        files = one["files"]
        assert one["valid"], one["why"]
        assert isinstance(files, dict)
        assert {"result.json", "paths.csv", "raw/probes.blocks", "raw/exchanges.blocks"} <= set(files)


def test_every_shape_but_the_largest_is_in_a_pack() -> None:
    packed = [one for parts in PACKS.values() for one in parts]

    assert sorted(packed) == sorted(name for name in SINGLE if not JOBS[name].slow)


def test_all_shapes_in_packs_repeat(tmp_path: Path) -> None:
    assert_repeated(twice(PACKED, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLE)
def test_each_shape_repeats_and_another_seed_differs(name: str, tmp_path: Path) -> None:
    pairs = twice((name,), tmp_path)
    other_seed = tmp_path / "seed"
    other_seed.mkdir()
    (other,) = run_jobs((name,), other_seed, PLAIN, seed=SEED + 1)

    assert_repeated(pairs)
    assert any(file.startswith("raw/") for file in differing(pairs[0][0], other))
