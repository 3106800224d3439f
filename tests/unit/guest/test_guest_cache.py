"""What the cache holds and which kernel is taken from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest.cache import (
    cache_folder,
    find_kernel,
    kernels_folder,
    list_kernels,
    need_kernel,
    remove_kernel,
    version_order,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path))


def put_kernel(key: str, version: str, *, virtual_clock: bool = True) -> Path:
    folder = kernels_folder() / key
    folder.mkdir(parents=True)
    (folder / "linux").write_text("#!/bin/true\n")
    (folder / "linux").chmod(0o755)
    manifest = {"version": version, "sha256": "0" * 64, "virtual_clock": virtual_clock, "source": "test"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_the_folder_is_named_by_the_environment_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert cache_folder() == Path("/a")

    monkeypatch.delenv("SHADOWLAB_CACHE")
    assert cache_folder() == Path("/b/shadowlab")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == Path("/c/.cache/shadowlab")


def test_the_newest_version_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    put_kernel("6.9-a", "6.9.3")
    put_kernel("6.12-b", "6.12.10")
    put_kernel("6.12-c", "6.12.9")

    assert [kernel.key for kernel in list_kernels()] == ["6.12-b", "6.12-c", "6.9-a"]
    found = find_kernel("virtual")
    assert found is not None
    assert found.key == "6.12-b"
    assert found.path == kernels_folder() / "6.12-b" / "linux"


def test_a_kernel_without_the_virtual_clock_serves_the_real_one_only() -> None:
    put_kernel("6.12-r", "6.12.1", virtual_clock=False)

    assert find_kernel("virtual") is None
    real = find_kernel("real")
    assert real is not None
    assert real.key == "6.12-r"


@pytest.mark.parametrize("fault", ["no manifest", "broken manifest", "no program", "not a folder"])
def test_what_is_no_complete_kernel_is_not_seen(fault: str) -> None:
    folder = put_kernel("6.12-x", "6.12.1")
    if fault == "no manifest":
        (folder / "manifest.json").unlink()
    elif fault == "broken manifest":
        (folder / "manifest.json").write_text("{")
    elif fault == "no program":
        (folder / "linux").unlink()
    else:
        (kernels_folder() / "6.12-y.log").touch()
        remove_kernel("6.12-x")

    assert list_kernels() == []


def test_without_a_kernel_the_command_that_makes_one_is_named() -> None:
    with pytest.raises(
        CannotRunError, match=r"no embedded kernel for the virtual clock in .*run 'shadowlab kernel build'"
    ):
        need_kernel("virtual")


def test_exact_repetition_needs_the_library_and_a_recent_kernel() -> None:
    old, new = put_kernel("6.1-a", "6.1.170"), put_kernel("6.12-b", "6.12.1")
    assert [kernel.repeats_exactly for kernel in list_kernels()] == [False, False]

    for folder in (old, new):
        (folder / "preload.so").touch()

    assert [(kernel.key, kernel.repeats_exactly) for kernel in list_kernels()] == [("6.12-b", True), ("6.1-a", False)]


def test_a_kernel_is_removed_by_the_beginning_of_its_key() -> None:
    put_kernel("6.12-abc", "6.12.1")
    put_kernel("6.12-xyz", "6.12.1")

    assert remove_kernel("6.12-a").key == "6.12-abc"
    assert [kernel.key for kernel in list_kernels()] == ["6.12-xyz"]


def test_an_ambiguous_or_unknown_key_removes_nothing() -> None:
    put_kernel("6.12-abc", "6.12.1")
    put_kernel("6.12-xyz", "6.12.1")

    with pytest.raises(InputError, match=r"'6\.12' names more than one kernel; .*: 6\.12-abc, 6\.12-xyz"):
        remove_kernel("6.12")
    with pytest.raises(InputError, match="'7' names no kernel"):
        remove_kernel("7")
    assert len(list_kernels()) == 2


def test_versions_sort_as_numbers() -> None:
    assert sorted(["6.9", "6.12", "6.1.170", "unknown"], key=version_order) == ["unknown", "6.1.170", "6.9", "6.12"]
