"""Series go out as CSV and come back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.model.kpi import SeriesTable
from shadowlab.store.series import format_seconds, format_series, read_series, write_series


def table() -> SeriesTable:
    return SeriesTable(
        times_ns=np.array([1_000_000_000, 2_500_000_000]),
        subjects=("a→b", 'odd, "quoted"'),
        values={
            "latency_ms": np.array([[40.001, np.nan], [1 / 3, 0.0]]),
            "loss": np.array([[0.0, 1.0], [np.nan, 0.5]]),
        },
    )


def test_the_text_is_one_row_per_moment_and_subject() -> None:
    assert format_series(table()) == (
        "time_s,subject,latency_ms,loss\n"
        "1,a→b,40.001,0\n"
        '1,"odd, ""quoted""",,1\n'
        "2.5,a→b,0.333333333,\n"
        '2.5,"odd, ""quoted""",0,0.5\n'
    )


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    write_series(tmp_path / "path.csv", table())

    back = read_series(tmp_path / "path.csv")

    assert back.times_ns.tolist() == table().times_ns.tolist()
    assert back.subjects == table().subjects
    for name, values in table().values.items():
        np.testing.assert_allclose(back.values[name], values, rtol=1e-8)
    assert format_series(back) == format_series(table())


def test_an_empty_table_comes_back(tmp_path: Path) -> None:
    empty = SeriesTable(times_ns=np.zeros(0, dtype=np.int64), subjects=(), values={"loss": np.zeros((0, 0))})
    write_series(tmp_path / "empty.csv", empty)

    back = read_series(tmp_path / "empty.csv")

    assert (len(back.times_ns), back.subjects, back.values["loss"].shape) == (0, (), (0, 0))


@pytest.mark.parametrize(
    ("time_ns", "text"), [(0, "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (-250_000_000, "-0.25")]
)
def test_times_are_exact(time_ns: int, text: str) -> None:
    assert format_seconds(time_ns) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a series: the first line must begin with time_s,subject"),
        ("time_s,subject,loss\n1,a,x\n", "not a number in a series"),
        ("time_s,subject,loss\n1,a,0\n1,b,0\n2,b,0\n", ":4: every moment must list the same subjects in order"),
        ("time_s,subject,loss\n1,a\n", ":2: every moment must list the same subjects in order"),
    ],
)
def test_what_is_no_series_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "series.csv").write_text(text)

    with pytest.raises(InputError, match=message):
        read_series(tmp_path / "series.csv")


def test_a_full_disk_leaves_neither_the_file_nor_a_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(ShadowLabError, match=f"cannot write path.csv: no space left in {tmp_path}; free some"):
        write_series(tmp_path / "path.csv", table())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_file_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path.csv").write_text("before")

    def fails(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)

    with pytest.raises(ShadowLabError, match="Input/output error"):
        write_series(tmp_path / "path.csv", table())
    assert (tmp_path / "path.csv").read_text() == "before"
