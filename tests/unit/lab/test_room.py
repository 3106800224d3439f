"""A lab larger than memory is refused before anything of it exists."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_example import SMALL

from shadowlab.errors import CannotRunError
from shadowlab.lab.live.lab import LiveLab
from shadowlab.topology.formats import load_map


def test_a_map_larger_than_memory_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHADOWLAB_STATE", str(tmp_path / "state"))
    lab = LiveLab("small")

    with pytest.raises(CannotRunError, match=r"lab small needs .* of memory and this machine has 1 MB free"):
        lab.up(load_map(SMALL / "map.yaml"), kernel="embedded", map_path=SMALL / "map.yaml", memory_bytes=1_000_000)

    assert not (tmp_path / "state").exists()
