"""The spool: what was appended comes out, whatever happened in between."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowlab.errors import InputError
from shadowlab.replicate.sending.frames import Frame, decode_frame, encode_frame, frames_of
from shadowlab.replicate.sending.spool import Spool

BOOT = b"b" * 16
FIRST, SECOND = "00000000000000a1", "00000000000000a2"


def frame(sequence: int, body: bytes = b"x" * 100, stream: str = FIRST) -> Frame:
    return Frame(stream=stream, sequence=sequence, wall_ns=5, mono_ns=6, boot=BOOT, coding="zstd", body=body)


def spool(folder: Path, *, most_bytes: int = 1 << 20, boot: bytes = BOOT, new_stream: str = FIRST) -> Spool:
    return Spool(folder, most_bytes=most_bytes, boot=boot, new_stream=new_stream)


def append(opened: Spool, body: bytes = b"x" * 100) -> None:
    opened.append(frame(opened.next_sequence, body, opened.stream))


def drained(opened: Spool) -> list[int]:
    numbers = []
    while (found := opened.oldest()) is not None:
        numbers.append(found[0].sequence)
        opened.acknowledge(found[0])
    return numbers


@contextmanager
def disk_of(most_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond it: what a full disk answers, but for the number of the error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@given(st.binary(max_size=200), st.integers(1, 2**62), st.integers(-(2**63), 2**63 - 1))
def test_decoding_undoes_encoding(body: bytes, sequence: int, wall_ns: int) -> None:
    one = Frame(stream=FIRST, sequence=sequence, wall_ns=wall_ns, mono_ns=7, boot=BOOT, coding="gzip", body=body)

    assert decode_frame(encode_frame(one)) == one


@given(st.data())
def test_one_damaged_byte_costs_one_frame(data: st.DataObject) -> None:
    frames = [frame(number, bytes([number]) * 40) for number in range(1, 6)]
    whole = bytearray(b"".join(map(encode_frame, frames)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))

    left = [one for _, _, one in frames_of(bytes(whole))]

    assert left == [one for place, one in enumerate(frames) if place != at // len(encode_frame(frames[0]))]


def test_what_was_appended_comes_out_in_order_after_a_restart(tmp_path: Path) -> None:
    with spool(tmp_path) as opened:
        for _ in range(5):
            append(opened)
        first = opened.oldest()
        assert first is not None
        opened.acknowledge(first[0])

    with spool(tmp_path, new_stream=SECOND) as opened:
        assert (opened.stream, opened.next_sequence) == (FIRST, 6)
        assert drained(opened)[-4:] == [2, 3, 4, 5]


def test_numbers_go_on_after_all_was_acknowledged(tmp_path: Path) -> None:
    with spool(tmp_path) as opened:
        append(opened)
        append(opened)
        assert drained(opened) == [1, 2]
        assert opened.size_bytes == 0

    with spool(tmp_path, new_stream=SECOND) as opened:
        assert (opened.stream, opened.next_sequence, len(opened)) == (FIRST, 3, 0)


@pytest.mark.parametrize("lost", ["boot", "segments", "stream"])
def test_where_the_count_may_be_lost_a_new_stream_begins(tmp_path: Path, lost: str) -> None:
    with spool(tmp_path) as opened:
        append(opened)
    if lost == "segments":
        for one in tmp_path.glob("*.spool"):
            one.unlink()
    if lost == "stream":
        (tmp_path / "stream").unlink()

    with spool(tmp_path, boot=b"c" * 16 if lost == "boot" else BOOT, new_stream=SECOND) as opened:
        append(opened)
        found = [
            (one.stream, one.sequence)
            for path in sorted(tmp_path.glob("*.spool"))
            for _, _, one in frames_of(path.read_bytes())
        ]

    assert opened.stream == SECOND
    assert len(set(found)) == len(found) == (1 if lost == "segments" else 2)


def test_a_torn_tail_costs_only_what_was_torn(tmp_path: Path) -> None:
    whole = len(encode_frame(frame(1)))
    for cut in range(1, whole, 7):
        folder = tmp_path / str(cut)
        with spool(folder) as opened:
            append(opened)
            append(opened)
        segment = next(folder.glob("*.spool"))
        segment.write_bytes(segment.read_bytes()[: whole + cut])

        with spool(folder) as opened:
            append(opened)
            assert drained(opened) == [1, 2]


def test_a_full_spool_gives_up_its_oldest_and_counts_it(tmp_path: Path) -> None:
    with spool(tmp_path, most_bytes=4000) as opened:
        for _ in range(100):
            append(opened)
            assert opened.size_bytes <= 4000
        left = drained(opened)

    assert left == list(range(101 - len(left), 101))
    assert opened.dropped == 100 - len(left) > 0


def test_a_day_of_spool_is_read_again(tmp_path: Path) -> None:
    with spool(tmp_path) as opened:
        for _ in range(8640):
            append(opened, b"y" * 20)

    with spool(tmp_path) as opened:
        assert len(opened) == 8640
        assert drained(opened) == list(range(1, 8641))
    assert len(list(tmp_path.glob("*.spool"))) == 1


def test_a_full_disk_refuses_a_batch_and_takes_it_when_there_is_room(tmp_path: Path) -> None:
    with spool(tmp_path) as opened:
        append(opened)
        with disk_of(opened.size_bytes + 50), pytest.raises(OSError, match="File too large"):
            append(opened)
        assert opened.next_sequence == 2

        append(opened, b"z" * 100)

        assert drained(opened) == [1, 2]


def test_a_spool_has_one_agent(tmp_path: Path) -> None:
    with spool(tmp_path), pytest.raises(InputError, match="another agent"), spool(tmp_path):
        pass
