"""A file is opened by its content, unpacked as a stream, and never believed to be more than it is."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest
import zstandard
from telemetry_reading import CAPTURES

from shadowlab.errors import InputError
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.blocks import BLOCK_BYTES, read_blocks, split_lines
from shadowlab.telemetry.reading import Reading, open_telemetry
from shadowlab.telemetry.tally import Tally

PLAIN = (CAPTURES / "loopback.ss").read_bytes()
PACKERS = {"gzip": gzip.compress, "xz": lzma.compress, "zstd": zstandard.compress}


def read_all(path: Path, **options: str) -> tuple[list[TcpRecord], Reading]:
    with open_telemetry(path, **options) as reading:  # type: ignore[arg-type]
        return list(reading.records), reading


def file(folder: Path, content: bytes) -> Path:
    path = folder / "some.file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packing", PACKERS)
def test_a_packed_file_reads_like_the_plain_one(packing: str, tmp_path: Path) -> None:
    plain, _ = read_all(file(tmp_path, PLAIN))

    packed, reading = read_all(file(tmp_path, PACKERS[packing](PLAIN)))

    assert packed == plain
    assert (reading.packed.packing, reading.tally.unreadable, reading.tally.records) == (packing, 0, 20)


@pytest.mark.parametrize("packing", PACKERS)
def test_archives_appended_to_each_other_are_read_through(packing: str, tmp_path: Path) -> None:
    _, reading = read_all(file(tmp_path, PACKERS[packing](PLAIN) * 3))

    assert (reading.tally.records, reading.tally.unreadable) == (60, 0)


@pytest.mark.parametrize("packing", PACKERS)
def test_a_truncated_archive_gives_its_good_part_and_says_where_it_broke(packing: str, tmp_path: Path) -> None:
    many = PLAIN * 40
    packed = PACKERS[packing](many) if packing != "zstd" else b"".join(PACKERS["zstd"](PLAIN) for _ in range(40))
    cut = len(packed) - 20

    _, reading = read_all(file(tmp_path, packed[:cut]))

    assert reading.tally.records > 300
    assert reading.tally.places[-1].place == f"{tmp_path}/some.file:byte {cut}"
    assert "breaks off here" in reading.tally.places[-1].message


@pytest.mark.parametrize("packing", PACKERS)
def test_a_damaged_archive_is_a_fault_not_a_traceback(packing: str, tmp_path: Path) -> None:
    packed = bytearray(PACKERS[packing](PLAIN * 20))
    packed[len(packed) // 2] ^= 0xFF

    try:
        _, reading = read_all(file(tmp_path, bytes(packed)))
    except InputError:  # nothing came out
        return

    assert reading.tally.unreadable >= 1


def test_bytes_behind_an_archive_are_counted_and_the_archive_is_read(tmp_path: Path) -> None:
    _, reading = read_all(file(tmp_path, gzip.compress(PLAIN) + b"junk that is no gzip"))

    assert reading.tally.records == 20
    assert "bytes after the archive's end" in reading.tally.places[-1].message


@pytest.mark.parametrize("packing", PACKERS)
def test_a_bomb_is_left_before_it_has_gone_off(packing: str) -> None:
    packed = PACKERS[packing](b"\0" * (80 * 2**20))
    tally, out, largest = Tally("bomb"), 0, 0

    class Stream:
        def __init__(self) -> None:
            self._rest = packed

        def read(self, size: int, /) -> bytes:
            data, self._rest = self._rest[:size], self._rest[size:]
            return data

    for block in read_blocks(Stream(), tally):
        out += len(block)
        largest = max(largest, len(block))

    assert largest <= BLOCK_BYTES
    assert out < 80 * 2**20
    assert "expands more than 500-fold" in tally.places[0].message


def test_a_file_that_is_no_telemetry_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ss -tinOHm"):
        read_all(file(tmp_path, b"GIF89a" + b"\x00\xff" * 100))


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the file is empty"):
        read_all(file(tmp_path, b""))


def test_a_file_without_one_record_fails_its_check_and_names_the_lines(tmp_path: Path) -> None:
    _, reading = read_all(file(tmp_path, b"# instance web at 1\nnonsense\n"))

    with pytest.raises(InputError, match=r"no readable record(?s:.*)some.file:2: no TCP state"):
        reading.check()


def test_a_missing_file_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=str(tmp_path)):
            read_all(path)


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'tea' is no format of telemetry; there are: .*ss"):
        read_all(file(tmp_path, PLAIN), format_name="tea")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_do_not_depend_on_where_the_blocks_are_cut(size: int) -> None:
    text = b"one\n\ntwo\r\n" + b"x" * 500 + b"\nlast"
    blocks = (text[at : at + size] for at in range(0, len(text), size))

    lines = list(split_lines(blocks, longest=100))

    assert [line[:101] for line in lines] == [b"one", b"", b"two\r", b"x" * 101, b"last"]
