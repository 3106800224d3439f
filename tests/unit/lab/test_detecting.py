"""``shadowlab detect``: any table of times and values, strictly online, with one clear line for what is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from shadowlab.cli.diagnosis.detect import detect
from shadowlab.cli.interrupt import Interrupt
from shadowlab.detect.online.registry import ONLINE
from shadowlab.errors import InputError
from shadowlab.lab.detecting.cells import clock, number
from shadowlab.lab.detecting.matching import matched

S = 10**9


def asked(*words: object) -> Result:
    result = CliRunner().invoke(detect, [str(word) for word in words], obj=Interrupt())
    if result.exception and not isinstance(result.exception, (InputError, SystemExit)):
        raise result.exception
    return result


def refused(*words: object) -> str:
    result = asked(*words)
    assert result.exception is not None
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


def series(folder: Path, rows: int = 300, step: int = 200, *, name: str = "series.csv") -> Path:
    values = np.random.default_rng(4).normal(40, 0.2, rows)
    values[step:] += 5
    lines = [f"{1_700_000_000 + 60 * row},{value:.4f},{int(row == step)}" for row, value in enumerate(values)]
    path = folder / name
    path.write_text("\n".join(["time,rtt,cp", *lines]) + "\n")
    return path


def written(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", [one for one in ONLINE if one not in ("count-ratio", "isolation-forest", "one-class")])
@pytest.mark.parametrize("alarms", [(), ("--false-alarms-per-day", 5)])
def test_a_row_depends_on_no_later_one(tmp_path: Path, name: str, alarms: tuple[object, ...]) -> None:
    path = series(tmp_path)
    asked(path, "--detector", name, *alarms, "-o", tmp_path / "whole.csv")
    whole = written(tmp_path / "whole.csv")
    lines = path.read_text().splitlines()
    for rows in np.random.default_rng(1).integers(1, 300, 2).tolist():
        (tmp_path / "part.csv").write_text("\n".join(lines[: rows + 1]))

        asked(tmp_path / "part.csv", "--detector", name, *alarms, "-o", tmp_path / "out.csv")

        assert written(tmp_path / "out.csv") == whole[:rows]


def test_a_step_is_told_once_with_its_onset(tmp_path: Path) -> None:
    path = series(tmp_path)

    document = json.loads(asked(path, "--label-column", "cp", "--json", "-o", tmp_path / "out.csv").output)

    assert [one["onset"] for one in document["alarms"]] == [str(1_700_000_000 + 60 * 200)]
    assert document["labels"]["f"] == 1
    rows = written(tmp_path / "out.csv")
    assert [index for index, row in enumerate(rows) if row["alarm"] == "1"] == [202]
    assert len(rows) == 300
    assert all(0 <= float(row["anomaly_score"]) <= 1 for row in rows)


def test_going_on_from_a_state_is_as_if_nothing_had_been(tmp_path: Path) -> None:
    path, state = series(tmp_path), tmp_path / "state.json"
    head, *lines = path.read_text().splitlines()
    (tmp_path / "one.csv").write_text("\n".join([head, *lines[:201]]))
    (tmp_path / "two.csv").write_text("\n".join([head, *lines[201:]]))
    asked(path, "-o", tmp_path / "whole.csv")

    asked(tmp_path / "one.csv", "--state", state, "-o", tmp_path / "a.csv")
    asked(tmp_path / "two.csv", "--state", state, "-o", tmp_path / "b.csv")

    assert written(tmp_path / "a.csv") + written(tmp_path / "b.csv") == written(tmp_path / "whole.csv")
    assert "state of detector 'panel', not of 'ewma'" in refused(path, "--state", state, "--detector", "ewma")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-01-02T03:04:05Z", 1767323045),
        ("2026-01-02 03:04:05+01:00", 1767319445),
        ("02/01/2026 03:04:05", 1767323045),
        ("2/1/2026 3:04", 1767323040),
        ("01/13/2026 00:00", 1768262400),
        ("02.01.2026 03:04:05", 1767323045),
        ("2026/01/02 03:04:05", 1767323045),
        ("1767323045", 1767323045),
        ("1767323045000", 1767323045),
        ("1767323045000000", 1767323045),
        ("1767323045.0", 1767323045),
        ("7", 7),
    ],
)
def test_times_of_many_forms(text: str, at: int) -> None:
    assert clock(text)(text) == at * S


@pytest.mark.parametrize(
    ("text", "value"), [("1,5", 1.5), ("1.234,5", 1234.5), (" 7 ", 7.0), ("1e308", 1e308), ("-3", -3.0)]
)
def test_numbers_of_many_forms(text: str, value: float) -> None:
    assert number(text) == value
    assert all(number(one) != number(one) for one in ("", "NaN", "null", "inf"))


@pytest.mark.parametrize(
    "text",
    [
        "epoch;rtt\r\n02/01/2026 03:04;1,5\r\n02/01/2026 03:05;1,5\r\n",
        "\ufefftimestamp\tvalue\n1\t5\n2\t5\n",
        "1 5\n2 5\n",
        "time|v\n2026-01-02|5\n2026-01-02|NaN\n2026-01-01|7\n\n",
        "time,v\n1,1e308\n2,-1e308\n3,1e308\n4,inf\n",
    ],
)
def test_odd_tables_have_sound_answers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(text, newline="")

    document = json.loads(asked(path, "--json", "-o", tmp_path / "out.csv").stdout)

    assert document["rows"] == len(written(tmp_path / "out.csv")) >= 2
    assert document["alarms"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("time,value\n", "a header and no row"),
        ("a,b\nx,y\n", "no column holds times"),
        ("time,b\n1,y\n", "no column of numbers"),
        ("time,v\n1,5\n2,five\n", ":3: column v: 'five' is no number"),
        ("time,v\n1,5\nyesterday,5\n", ":3: column time"),
        ("time,v\n1,5\n2\n", ":3: 1 columns, where 2 are needed"),
        ("time,v\n02/01/2026,5\n02/13/2026,5\n", "--month-first"),
        ("time,v\n" + "".join(f"{50 - row},1\n" for row in range(40)), "backwards"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(text)

    assert said in refused(path, "-o", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["wrong.csv"]


def test_wrong_words_are_refused(tmp_path: Path) -> None:
    path = series(tmp_path)

    assert "no column 'x'; there are: time, rtt, cp" in refused(path, "--value-column", "x")
    assert "give one of" in refused(path, "--threshold", 0.5, "--false-alarms-per-day", 1)
    assert "is not one of panel, zscore" in refused(path, "--detector", "magic")
    assert "lost, then sent" in refused(path, "--detector", "count-ratio", "--value-column", "rtt")
    assert "one --value-column, not 2" in refused(path, "--value-column", "rtt", "--value-column", "cp")
    assert "No such file" in refused(tmp_path / "missing.csv")
    assert "no regular file" in refused(tmp_path)
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    assert "neither CSV nor Parquet" in refused(tmp_path / "binary")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    assert "not to be read as Parquet" in refused(tmp_path / "broken.parquet")


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = [float(row["rtt"]) for row in written(series(tmp_path))]
    times = arrow.array([(1_700_000_000 + 60 * row) * 10**6 for row in range(300)], type=arrow.timestamp("us", "UTC"))
    parquet.write_table(arrow.table({"at": times, "rtt": values}), tmp_path / "series.parquet")

    document = json.loads(asked(tmp_path / "series.parquet", "--json").output)

    assert [one["onset"] for one in document["alarms"]] == ["2023-11-15T01:33:20+00:00"]


def test_a_calibration_without_a_fault_sets_what_is_rare(tmp_path: Path) -> None:
    calm, path = series(tmp_path, step=299, name="calm.csv"), series(tmp_path)

    words = (path, "--detector", "ewma", "--calibration", calm, "--false-discovery-rate", 0.1, "--json")
    document = json.loads(asked(*words).stdout)

    assert document["alarms"][0]["onset"] >= str(1_700_000_000 + 60 * 200)


def test_labels_are_matched_one_to_one() -> None:
    assert matched([10, 11, 12], [10]) == 1
    assert matched([8, 12], [10, 10]) == 2
    assert matched([1, 20], [5, 24]) == 0
