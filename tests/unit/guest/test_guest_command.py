"""``shadowlab kernel ...``: what is printed, and that errors are left to the main program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from shadowlab.cli.kernel import kernel
from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest.cache import kernels_folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path))


def put_kernel(key: str) -> Path:
    folder = kernels_folder() / key
    folder.mkdir(parents=True)
    (folder / "linux").touch(mode=0o755)
    (folder / "manifest.json").write_text('{"version": "6.12.1", "sha256": "00", "virtual_clock": true}')
    return folder


def test_an_empty_cache_says_how_to_fill_it() -> None:
    result = CliRunner().invoke(kernel, ["list"])

    assert "'shadowlab kernel build' makes one" in result.output or "debian" in result.output


def test_kernels_are_listed_for_people_and_for_programs() -> None:
    folder = put_kernel("6.12-abc")

    for_people = CliRunner().invoke(kernel, ["list"]).output.splitlines()
    for_programs = json.loads(CliRunner().invoke(kernel, ["list", "--json"]).output)

    assert for_people[0] == f"6.12-abc  Linux 6.12.1  virtual or real clock  {folder}/linux"
    assert (for_programs[0]["key"], for_programs[0]["path"]) == ("6.12-abc", f"{folder}/linux")


def test_the_path_is_printed_alone() -> None:
    folder = put_kernel("6.12-abc")

    assert CliRunner().invoke(kernel, ["path"]).output == f"{folder}/linux\n"


def test_without_a_kernel_the_path_is_an_error_of_ours() -> None:
    result = CliRunner().invoke(kernel, ["path"])

    assert isinstance(result.exception, CannotRunError)


def test_one_kernel_or_all_are_removed() -> None:
    for key in ("6.12-abc", "6.12-def", "6.12-ghi"):
        put_kernel(key)

    assert CliRunner().invoke(kernel, ["remove", "6.12-d"]).output == "removed 6.12-def\n"
    assert CliRunner().invoke(kernel, ["remove", "--all"]).output.splitlines() == [
        "removed 6.12-abc",
        "removed 6.12-ghi",
    ]


@pytest.mark.parametrize("words", [[], ["6.12-abc", "--all"]])
def test_remove_wants_either_a_key_or_all(words: list[str]) -> None:
    put_kernel("6.12-abc")

    result = CliRunner().invoke(kernel, ["remove", *words])

    assert result.exit_code == 2
    assert "name one KEY, or --all" in result.output
    assert (kernels_folder() / "6.12-abc").exists()


def test_building_from_a_source_that_is_none_is_an_error_of_ours(tmp_path: Path) -> None:
    result = CliRunner().invoke(kernel, ["build", "--source", str(tmp_path / "nowhere")])

    assert isinstance(result.exception, InputError)
