"""One seed drives every source of chance in the guest."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Boot

pytestmark = pytest.mark.guest


@pytest.mark.parametrize("function", ["chance", "lossy_link"])
def test_the_same_seed_repeats_in_any_folder_and_another_differs(boot: Boot, tmp_path: Path, function: str) -> None:
    elsewhere = tmp_path / "some where/else"
    elsewhere.mkdir(parents=True)

    first = boot(function, seed=4711)
    again = boot(function, seed=4711, folder=elsewhere)
    other = boot(function, seed=4712)

    assert first.lines == again.lines
    assert first.outcome.virtual_ns == again.outcome.virtual_ns
    assert first.lines != other.lines


def test_another_seed_changes_every_source(boot: Boot) -> None:
    first, other = (boot("chance", seed=seed) for seed in (1, 2))

    same = [line for line in first.lines if line in other.lines]
    assert {line.split()[0] for line in same} <= {"hash", "time"}


def test_the_seed_is_taken_at_its_limits_and_refused_beyond(boot: Boot) -> None:
    assert boot("boot_only", seed=2**64 - 1).outcome.exit_code == 0
    with pytest.raises(ValueError, match="must be from 0 to"):
        boot("boot_only", seed=2**64)
