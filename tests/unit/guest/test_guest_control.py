"""What of this process's environment a guest is given."""

from __future__ import annotations

import os

import pytest

from shadowlab.guest.control import own_libraries


def mapped_folder() -> str | None:
    """Where this Python's own library lies, if it has one."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        found = [line.split()[-1] for line in maps if "/libpython" in line]
    return os.path.dirname(found[0]) if found else None


def test_folders_that_this_python_does_not_need_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere::/tmp")

    assert own_libraries() is None


def test_the_folder_of_its_own_library_is_found_among_others(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mapped_folder()
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nowhere:{folder or '/usr/lib'}")

    assert own_libraries() == folder
