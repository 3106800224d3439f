"""Files of blocks: what was written is read back, from any prefix of it, and while it grows."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadowlab.errors import InputError, ShadowLabError
from shadowlab.store import frame
from shadowlab.store.reader import BlockReader, read_records
from shadowlab.store.recorder import MOST_ROWS, BlockFile, Rows
from shadowlab.store.records import Column, RecordType

KIND = RecordType(
    name="things",
    meaning="what a test makes up",
    columns=(
        Column(name="at_ns", kind="i8", unit="ns"),
        Column(name="thing", kind="u4", names="thing"),
        Column(name="share", kind="f8", unit="fraction"),
        Column(name="text", kind="bytes"),
    ),
)
Row = tuple[int, int, float, bytes]
ROW = st.tuples(
    st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1), st.floats(allow_nan=False), st.binary(max_size=40)
)


def written(path: Path, *blocks: list[Row], kind: RecordType = KIND) -> Path:
    with BlockFile(str(path), kind, {"thing": ["one", "two"], "other": ["x"]}) as file:
        for rows in blocks:
            for row in rows:
                file.rows.append(*row)
            file.flush()
    return path


def read(path: Path, **window: int) -> list[Row]:
    with BlockReader(path) as reader:
        found = reader.read(**window)
    if found.strings is None:
        return []
    return list(zip(*(found[name].tolist() for name in ("at_ns", "thing", "share")), found.strings, strict=True))


def rows_at(*moments: int) -> list[Row]:
    return [(at, at % 2, at / 2, b"x" * (at % 7)) for at in moments]


@settings(max_examples=40, deadline=None)
@given(blocks=st.lists(st.lists(ROW, max_size=20), max_size=4))
def test_what_was_written_is_read_back(blocks: list[list[Row]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("store") / "things.blocks", *blocks)

    assert read(path) == [row for rows in blocks for row in rows]
    with BlockReader(path) as reader:
        assert (reader.kind, reader.names) == (KIND, {"thing": ("one", "two")})
        assert (reader.tail_bytes, reader.damaged_bytes) == (0, 0)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (written(tmp_path / name, rows_at(1, 2), rows_at(3)) for name in ("one", "other"))

    assert one.read_bytes() == other.read_bytes()


def test_cut_anywhere_all_whole_blocks_are_read(tmp_path: Path) -> None:
    blocks = [rows_at(*range(start, start + 5)) for start in (0, 5, 10)]
    whole = written(tmp_path / "whole", *blocks).read_bytes()
    with BlockReader(tmp_path / "whole") as reader:
        ends = [one.at + one.head.size + one.head.body_bytes for one in reader.blocks]
    cut = tmp_path / "cut"

    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        complete = sum(end <= size for end in ends)
        assert read(cut) == [row for rows in blocks[:complete] for row in rows], size


def test_with_any_byte_changed_no_row_is_wrong_and_only_one_block_is_lost(tmp_path: Path) -> None:
    blocks = [rows_at(*range(start, start + 3)) for start in (0, 3, 6)]
    whole = written(tmp_path / "whole", *blocks).read_bytes()
    with BlockReader(tmp_path / "whole") as reader:
        first = reader.blocks[0].at
    changed = tmp_path / "changed"

    for at in range(first, len(whole)):
        changed.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        if whole[at] ^ 0x10 > frame.VERSION and at in version_bytes(whole):
            continue  # of a later format, as far as anybody can tell: refused
        found = read(changed)
        left = [rows for rows in blocks if rows[0] in found]
        assert found == [row for rows in left for row in rows], at
        assert len(left) >= 2, at


def version_bytes(whole: bytes) -> set[int]:
    return {at + 4 for at in range(len(whole)) if whole.startswith(frame.MAGIC, at)}


def test_damage_is_counted_and_a_tail_is_none(tmp_path: Path) -> None:
    path = written(tmp_path / "things", rows_at(1), rows_at(2), rows_at(3))
    whole = path.read_bytes()
    with BlockReader(path) as reader:
        second, third = reader.blocks[1].at, reader.blocks[2].at

    path.write_bytes(whole[:second] + bytes(third - second) + whole[third:] + b"SLbk and then killed")

    with BlockReader(path) as reader:
        assert [one.head.number for one in reader.blocks] == [1, 3]
        assert (reader.damaged_bytes, reader.tail_bytes) == (third - second, 20)
    assert read(path) == rows_at(1, 3)


def test_a_window_reads_the_bodies_of_its_blocks_only(tmp_path: Path) -> None:
    path = written(tmp_path / "things", rows_at(*range(10)), rows_at(*range(10, 20)), rows_at(*range(20, 30)))
    with BlockReader(path) as reader:
        first = reader.blocks[0]
    content = bytearray(path.read_bytes())
    body = first.at + first.head.size
    content[body : body + first.head.body_bytes] = bytes(first.head.body_bytes)  # whoever reads it would notice
    path.write_bytes(content)

    with BlockReader(path) as reader:
        found = reader.read(["thing"], from_ns=15, to_ns=22)
        assert (found["thing"].tolist(), reader.damaged_bytes) == ([1, 0, 1, 0, 1, 0, 1], 0)
    assert read(path, from_ns=18, to_ns=21) == rows_at(18, 19, 20)


def test_fields_of_strings_are_known_as_far_as_each_is_long(tmp_path: Path) -> None:
    texts = [b"", struct.pack("<HI", 1, 7), struct.pack("<HIQ", 2, 8, 9)]
    path = written(tmp_path / "things", *([(at, 0, 0.0, text)] for at, text in enumerate(texts)))

    strings = read_records(path).strings

    assert strings is not None
    values, known = strings.field(2, "u4")
    assert (values.tolist(), known.tolist()) == ([0, 7, 8], [False, True, True])
    assert strings.field(6, "u8")[0].tolist() == [0, 0, 9]
    assert strings.field(100, "u8")[1].tolist() == [False] * 3


def test_who_follows_sees_each_block_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "things"
    path.write_bytes(b"")
    later = written(tmp_path / "later", rows_at(1, 2), rows_at(3)).read_bytes()
    seen: list[list[Any]] = []

    with BlockReader(path) as reader, path.open("ab") as file:
        assert (reader.kind, len(reader.read())) == (None, 0)
        for byte in later:
            file.write(bytes([byte]))
            file.flush()
            if reader.refresh():
                seen.append(reader.read()["at_ns"].tolist())

    assert seen == [[1, 2], [1, 2, 3]]


def test_many_rows_at_once_become_blocks_of_a_bounded_size(tmp_path: Path) -> None:
    kind = RecordType(name="t", meaning="", columns=(Column(name="at_ns", kind="i8"),))
    with BlockFile(str(tmp_path / "t"), kind) as file:
        for at in range(MOST_ROWS + 1):
            file.rows.append(at)

    with BlockReader(tmp_path / "t") as reader:
        assert [one.head.rows for one in reader.blocks] == [MOST_ROWS, 1]
        assert reader.read()["at_ns"].tolist() == list(range(MOST_ROWS + 1))


WRITER = """
import sys
from test_blocks import KIND, rows_at
from shadowlab.store.recorder import BlockFile
with BlockFile(sys.argv[1], KIND) as file:
    for number in range(10**9):
        for row in rows_at(*range(number * 100, number * 100 + 100)):
            file.rows.append(*row)
        file.flush()
        print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "things"
    words = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent) as writer:
        assert writer.stdout is not None
        flushed = [int(writer.stdout.readline()) for _ in range(20)][-1]
        writer.send_signal(signal.SIGKILL)

    found = read(path)

    assert found[: (flushed + 1) * 100] == rows_at(*range((flushed + 1) * 100))
    assert len(found) % 100 == 0


FULL = """
import resource, signal, sys
from test_blocks import KIND, rows_at
from shadowlab.store.recorder import BlockFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with BlockFile(sys.argv[1], KIND) as file:
    whole = file._end
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + int(sys.argv[2]), whole + int(sys.argv[2])))
    for row in rows_at(1, 2):
        file.rows.append(*row)
    file.flush()
    file.rows.append(3, 0, 0.0, bytes(range(256)) * 20)
    try:
        file.flush()
    except OSError as error:
        print(error.errno)
"""


def test_a_file_that_may_not_grow_keeps_its_whole_blocks(tmp_path: Path) -> None:
    path = tmp_path / "things"

    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), "400"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent,
    )

    assert (done.stdout, done.stderr) == ("27\n", "")  # EFBIG
    assert read(path) == rows_at(1, 2)
    with BlockReader(path) as reader:
        assert reader.tail_bytes == 0


def test_a_file_of_a_later_format_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "things", rows_at(1))
    content = bytearray(path.read_bytes())
    content[4] = frame.VERSION + 1
    path.write_bytes(content)

    with pytest.raises(InputError, match=r"things is of store format 2, and this ShadowLab reads up to 1: update it"):
        read(path)


def test_what_is_no_file_of_blocks_is_told(tmp_path: Path) -> None:
    (tmp_path / "probes.bin").write_bytes(bytes(100))

    with pytest.raises(InputError, match="is no file of blocks"):
        read(tmp_path / "probes.bin")
    with pytest.raises(ShadowLabError, match=r"cannot read the records .*missing: No such file"):
        read(tmp_path / "missing")
    with pytest.raises(ShadowLabError, match="Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("columns", [KIND.columns[:3], (KIND.columns[0], KIND.columns[2], KIND.columns[1])])
def test_a_block_that_is_not_of_the_schema_is_left_out(tmp_path: Path, columns: tuple[Column, ...]) -> None:
    other = Rows(RecordType(name="other", meaning="", columns=columns))
    other.append(1, 2, 3)
    path = written(tmp_path / "things", rows_at(1))
    path.write_bytes(path.read_bytes() + b"".join(other.take(2)))

    assert read(path) == rows_at(1)
    with BlockReader(path) as reader:
        assert (reader.read().numbers["at_ns"].tolist(), reader.damaged_bytes > 0) == ([1], True)


@settings(max_examples=200, deadline=None)
@given(tail=st.binary(max_size=200))
def test_garbage_behind_the_blocks_spoils_none(tail: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("store") / "things", rows_at(1, 2))
    path.write_bytes(path.read_bytes() + frame.MAGIC + b"\1" + tail)

    assert read(path) == rows_at(1, 2)


def test_a_value_that_has_no_room_is_refused() -> None:
    with pytest.raises(struct.error):
        Rows(KIND).append(1, -1, 0.0, b"")


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ((Column(name="a", kind="u4"),), "the first column is the moment"),
        ((Column(name="a", kind="i8"), Column(name="a", kind="u4")), "two columns have one name"),
        ((Column(name="a", kind="i8"), Column(name="b", kind="bytes"), Column(name="c", kind="u1")), "only the last"),
        ((Column(name="a", kind="i8"), Column(name="b", kind="u3")), "no kind 'u3'"),  # type: ignore[arg-type]
    ],
)
def test_a_record_type_that_cannot_be_kept_is_refused(columns: tuple[Column, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RecordType(name="x", meaning="", columns=columns)


def test_a_full_disk_at_the_start_is_an_error(tmp_path: Path) -> None:
    os.symlink("/dev/full", tmp_path / "things")

    with pytest.raises(OSError, match="No space left"):
        written(tmp_path / "things")
