"""What crosses the wire: whole or refused, in words, within bounds."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from replicate_pieces import STREAM, line, packed

from shadowlab.replicate.batch import (
    MOST_LINE_BYTES,
    MOST_UNPACKED_BYTES,
    BatchError,
    Head,
    TooLargeError,
    batch_path,
    decode_batch,
    encode_batch,
    instance_path,
    unpack,
)

HEAD = Head(instance="web", stream=STREAM, sequence=3, records=2)
WHOLE = encode_batch(HEAD, [line(1), line(2)])


def test_what_was_encoded_is_decoded() -> None:
    coding, body = packed(3, [1, 2])

    head, records = decode_batch(unpack(coding, body))

    assert head == HEAD
    assert [one.bytes_acked for one in records] == [1, 2]


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_both_codings_are_understood(coding: str) -> None:
    body = gzip.compress(WHOLE) if coding == "gzip" else zstandard.compress(WHOLE)

    assert unpack(coding, body) == WHOLE


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_has_unpacked(coding: str) -> None:
    zeros = bytes(MOST_UNPACKED_BYTES * 4)
    body = zlib.compress(zeros, wbits=31) if coding == "gzip" else zstandard.compress(zeros)

    with pytest.raises(TooLargeError, match="when unpacked"):
        unpack(coding, body)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_packed_data_that_breaks_off_or_goes_on_is_refused(coding: str) -> None:
    body = gzip.compress(WHOLE) if coding == "gzip" else zstandard.compress(WHOLE)

    for wrong in (body[:-1], body[: len(body) // 2], b"", body + b"more", body + body):
        with pytest.raises(BatchError):
            unpack(coding, wrong)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (WHOLE[:-1], "does not end"),
        (WHOLE.replace(b'"records": 2', b'"records": 3'), "3 records are announced, 2 lines follow"),
        (WHOLE.replace(b"batch/1", b"batch/2"), "'batch/2', not 'batch/1'"),
        (WHOLE.replace(b'"sequence": 3', b'"sequence": true'), "sequence missing or of the wrong type"),
        (WHOLE.replace(b'"sequence": 3', b'"sequence": 0'), "sequence number is out of range"),
        (WHOLE.replace(STREAM.encode(), b"../../etc/passwd"), "hexadecimal"),
        (WHOLE.replace(b'"bytes_acked":2', b'"bytes_acked":-2'), "line 3: bytes_acked"),
        (WHOLE.replace(b'"bytes_acked":2', b'"run":"id"'), "line 3: 'run' is no field"),
        (WHOLE.replace(b'"instance":"web","local', b'"instance":"db","local', 1), "line 2: a record of 'db'"),
        (encode_batch(HEAD, [line(1), "[" * 9000]), "line 3 is no JSON"),
        (encode_batch(HEAD, [line(1), "9" * 9000]), "line 3 is no JSON"),
        (encode_batch(HEAD, [line(1), '"' + "x" * MOST_LINE_BYTES + '"']), "line 3 is longer"),
        (b"\xff\xfe\n", "line 1 is no JSON"),
    ],
)
def test_one_wrong_line_refuses_all_of_it_and_says_why(data: bytes, words: str) -> None:
    with pytest.raises(BatchError, match=words):
        decode_batch(data)


def test_ten_thousand_damaged_batches_are_refused_or_true() -> None:
    """Damage may hit where it changes nothing that is checked, such as a digit: then the batch is one that is right."""
    chance = random.Random(1)
    coding, body = packed(3, [1, 2])
    refused = 0

    for number in range(10_000):
        source = bytearray(body if number % 2 else WHOLE)
        for _ in range(chance.randint(1, 4)):
            source[chance.randrange(len(source))] = chance.randrange(256)
        try:
            decode_batch(unpack(coding, bytes(source)) if number % 2 else bytes(source))
        except BatchError:
            refused += 1

    assert refused > 9000


@given(st.binary(max_size=300), st.sampled_from(["gzip", "zstd", "", "br"]))
def test_any_bytes_are_refused(data: bytes, coding: str) -> None:
    with pytest.raises(BatchError):
        decode_batch(unpack(coding, data))


@given(st.text(min_size=1, max_size=64))
def test_an_instance_names_one_step_of_a_path(name: str) -> None:
    try:
        step = instance_path(name)
    except ValueError:
        return

    assert "/" not in step
    assert step not in (".", "..")
    assert batch_path(Head(instance=name, stream=STREAM, sequence=1, records=0)).count("/") == 7
