"""Whenever a lab's program is killed, what it left can be cleared away or finished, and nothing else is touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import crash_inside
import pytest

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import need_kernel
from shadowlab.kernel.private import run_private

_WALL_S = 300.0
Results = dict[str, tuple[str, int]]


def _read(folder: Path) -> Results:
    results: Results = json.loads((folder / crash_inside.RESULT_FILE).read_text(encoding="utf-8"))
    return results


@pytest.fixture(scope="module")
def on_the_embedded_kernel(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All of it in one boot, with impaired links."""
    return _in_a_guest(tmp_path_factory.mktemp("crash"), {"impaired": True})


@pytest.fixture(scope="module")
def with_a_lan(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The same with a LAN, routes of several hops, a black hole and a route of one source."""
    return _in_a_guest(tmp_path_factory.mktemp("crash"), {"impaired": True, "fabric": True})


def _in_a_guest(folder: Path, job: dict[str, bool]) -> Results:
    run_in_guest(
        kernel=need_kernel("virtual"),
        entry="crash_inside:run",
        job=json.dumps(job).encode(),
        folder=folder,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=10**13,
        wall_deadline_s=_WALL_S,
        on_line=print,
    )
    return _read(folder)


@pytest.fixture(scope="module")
def on_the_host_kernel(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """In namespaces of its own, without impairments: not every host's kernel has netem."""
    folder = tmp_path_factory.mktemp("crash")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        run_private(
            entry="crash_inside:run_on_host",
            job=json.dumps({"impaired": False}).encode(),
            folder=folder,
            wall_deadline_s=_WALL_S,
            on_line=print,
            stopped=lambda: False,
        )
    return _read(folder)


@pytest.mark.guest
@pytest.mark.parametrize("story", [one.__name__ for one in crash_inside.STORIES])
def test_on_the_embedded_kernel(story: str, on_the_embedded_kernel: Results) -> None:
    trouble, operations = on_the_embedded_kernel[story]

    assert not trouble, trouble
    assert operations > 0


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.parametrize("story", [one.__name__ for one in crash_inside.STORIES])
def test_with_a_lan_and_exceptions(story: str, with_a_lan: Results) -> None:
    trouble, operations = with_a_lan[story]

    assert not trouble, trouble
    assert operations > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="on the host's kernel; needs root: scripts/test-host runs it")
@pytest.mark.parametrize("story", [one.__name__ for one in crash_inside.STORIES])
def test_on_the_host_kernel(story: str, on_the_host_kernel: Results) -> None:
    trouble, operations = on_the_host_kernel[story]

    assert not trouble, trouble
    assert operations > 0
