"""Run folders: whole, ours, or as they were."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from shadowlab.errors import DiskFullError, InputError, ShadowLabError
from shadowlab.store.folder import MARK, RunFolder, format_json, is_being_written
from shadowlab.store.recorder import BlockFile
from shadowlab.store.records import RECORDS


def test_a_finished_run_leaves_its_files_and_no_mark(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "deep" / "run") as folder:
        folder.write_json("result.json", {"b": 1, "a": 2})
        folder.subfolder("plots").joinpath("one.txt").write_text("x")

    assert sorted(one.name for one in (tmp_path / "deep" / "run").iterdir()) == ["plots", "result.json"]


def test_a_second_run_into_the_same_folder_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with RunFolder(run) as folder:
        folder.write_text("result.json", "{}")

    with pytest.raises(InputError) as refused, RunFolder(run):
        pass

    assert str(refused.value) == (
        f"{run} already holds result.json: a run never writes over another; "
        "choose a new folder with --out, or remove this one"
    )
    assert (run / "result.json").read_text() == "{}"


def test_an_empty_folder_is_taken_and_given_back_empty_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path) as folder:
        folder.write_text("result.json", "{}")
        folder.subfolder("raw").joinpath("tcp.bin").write_bytes(b"x")
        raise KeyboardInterrupt

    assert list(tmp_path.iterdir()) == []


def test_a_folder_made_for_a_run_that_failed_is_removed(tmp_path: Path) -> None:
    with pytest.raises(ShadowLabError), RunFolder(tmp_path / "run") as folder:
        folder.write_text("result.json", "{}")
        raise ShadowLabError("the shadow died")

    assert not (tmp_path / "run").exists()


def test_a_file_of_someone_else_survives_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ShadowLabError), RunFolder(tmp_path / "run") as folder:
        folder.write_text("result.json", "{}")
        (tmp_path / "run" / "notes.txt").write_text("mine")
        raise ShadowLabError("the shadow died")

    assert [one.name for one in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_what_a_killed_run_left_is_cleared_by_the_next_one(tmp_path: Path) -> None:
    killed = RunFolder(tmp_path / "run")
    killed.__enter__()
    killed.write_text("result.json", "half")
    killed.subfolder("raw").joinpath("tcp.bin").write_bytes(b"x")
    _release(killed)

    with RunFolder(tmp_path / "run") as folder:
        folder.write_text("report.html", "whole")

    assert [one.name for one in (tmp_path / "run").iterdir()] == ["report.html"]


def test_what_was_measured_stays_when_the_disk_gets_full_and_the_next_run_takes_the_folder_over(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with (
        pytest.raises(DiskFullError, match=r"no space left; what was measured .* is kept: shadowlab query .*run"),
        RunFolder(run, records=("raw",)) as folder,
    ):
        folder.write_text("result.json", "{}")
        with BlockFile(str(folder.subfolder("raw") / "probes.blocks"), RECORDS["probes"]) as file:
            file.rows.append(1, 0, 0, 1, 1)
        raise DiskFullError("no space left")

    assert sorted(one.name for one in run.iterdir()) == [MARK, "raw"]
    assert not is_being_written(run)
    with RunFolder(run) as folder:
        assert is_being_written(run)
        folder.write_text("report.html", "whole")
    assert [one.name for one in run.iterdir()] == ["report.html"]


def test_nothing_stays_on_a_full_disk_if_nothing_was_measured(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFullError, match=r"^no space left$"),
        RunFolder(tmp_path / "run", records=("raw",)) as folder,
    ):
        BlockFile(str(folder.subfolder("raw") / "probes.blocks"), RECORDS["probes"]).open()
        raise DiskFullError("no space left")

    assert not (tmp_path / "run").exists()


def test_a_killed_run_with_someone_elses_file_is_refused(tmp_path: Path) -> None:
    killed = RunFolder(tmp_path / "run")
    killed.__enter__()
    _release(killed)
    (tmp_path / "run" / "notes.txt").write_text("mine")

    with pytest.raises(InputError, match=r"did not end, and holds notes.txt, which that run did not make"):
        RunFolder(tmp_path / "run").__enter__()
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_two_runs_cannot_write_into_one_folder(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path / "run"),
        pytest.raises(InputError, match="another run is writing into"),
        RunFolder(tmp_path / "run"),
    ):
        pass


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")

    with pytest.raises(InputError, match="run is a file: choose another folder"):
        RunFolder(tmp_path / "run").__enter__()


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".", "..", MARK])
def test_only_plain_names_are_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not a plain file name"), RunFolder(tmp_path / "run") as folder:
        folder.write_text(name, "x")


def test_json_has_sorted_keys_rounded_floats_and_null_for_nothing() -> None:
    value = {"b": (np.float64(1 / 3), np.int64(2)), "a": {"x": float("nan"), "y": 0.1 + 0.2}, "c": np.array([1.0])}

    assert format_json(value) == (
        '{\n  "a": {\n    "x": null,\n    "y": 0.3\n  },\n'
        '  "b": [\n    0.333333333,\n    2\n  ],\n  "c": [\n    1.0\n  ]\n}\n'
    )


def _release(folder: RunFolder) -> None:
    """What the kernel does for a killed process: its descriptors are closed, and nothing else."""

    assert folder._mark is not None
    os.close(folder._mark)
    folder._mark = None
