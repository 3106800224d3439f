"""Where a run takes place, and what is made of what it left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab_example import prepared

from shadowlab.errors import CannotRunError, InputError, ShadowFailedError
from shadowlab.guest.cache import BuiltKernel, write_manifest
from shadowlab.lab.execute import Place, Work, choose_place, read_report

BUILD = "run 'shadowlab kernel build'"


@pytest.fixture
def no_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def one_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A cache with a kernel that is only good for being found."""
    folder = tmp_path / "cache" / "kernels" / "6.12-cafe"
    folder.mkdir(parents=True)
    (folder / "linux").write_text("#!/bin/false\n")
    (folder / "linux").chmod(0o755)
    write_manifest(BuiltKernel(key=folder.name, version="6.12.1", folder=folder, sha256="", virtual_clock=True))
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    return "Linux 6.12.1 (embedded, 6.12-cafe)"


def test_the_host_kernel_has_no_virtual_clock() -> None:
    with pytest.raises(InputError, match="--clock virtual needs the embedded kernel"):
        choose_place("host", "virtual")


@pytest.mark.usefixtures("no_kernel")
@pytest.mark.parametrize(("kernel", "clock"), [("embedded", "auto"), ("embedded", "virtual"), ("auto", "virtual")])
def test_without_an_embedded_kernel_the_message_says_how_to_get_one(kernel: str, clock: str) -> None:
    with pytest.raises(CannotRunError, match=re.escape(BUILD)):
        choose_place(kernel, clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kernel", "clock"), [("auto", "auto"), ("auto", "virtual"), ("embedded", "auto")])
def test_the_embedded_kernel_on_its_virtual_clock_is_preferred(one_kernel: str, kernel: str, clock: str) -> None:
    place = choose_place(kernel, clock)  # type: ignore[arg-type]

    assert (place.kind, place.clock, place.description) == ("embedded", "virtual", one_kernel)


def test_the_embedded_kernel_can_run_in_real_time(one_kernel: str) -> None:
    place = choose_place("embedded", "real")

    assert (place.kind, place.clock, place.description) == ("embedded", "real", one_kernel)


def test_a_place_is_described_without_anything_of_this_machine() -> None:
    kernel = BuiltKernel(
        key="6.12-abc", version="6.12.9", folder=Path("/home/me/cache"), sha256="0", virtual_clock=True
    )

    assert Place(kind="embedded", clock="virtual", kernel=kernel).description == "Linux 6.12.9 (embedded, 6.12-abc)"


def work(folder: Path) -> Work:
    (folder / "scenario").mkdir()
    return Work(name="main run", job=prepared(folder / "scenario").job(), folder=folder, expected_wall_s=1.0)


def test_what_the_inside_reports_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "inside.json").write_text('{"error": "", "failures": []}')

    assert read_report(work(tmp_path)) == {"error": "", "failures": []}


def test_an_error_of_the_inside_names_the_folder_of_the_user_not_that_of_the_guest(tmp_path: Path) -> None:
    (tmp_path / "inside.json").write_text('{"error": "cannot write the raw records in /run/job: no"}')

    with pytest.raises(ShadowFailedError) as caught:
        read_report(work(tmp_path))

    assert str(caught.value) == f"cannot write the raw records in {tmp_path}: no"


@pytest.mark.parametrize("content", [None, "", "{"])
def test_a_segment_that_left_no_whole_report_failed(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "inside.json").write_text(content)

    with pytest.raises(ShadowFailedError, match="the segment ended without a report"):
        read_report(work(tmp_path))
