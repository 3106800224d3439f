"""JSON of any layout as a stream of values: lines, documents one after the other, or the elements of a long array.

In: blocks of bytes.  Out: values, each with its place.  Never: more in memory than one value of at most 16 MB; an
exception for what is no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from shadowlab.telemetry.blocks import split_lines
from shadowlab.telemetry.tally import Tally

LONGEST_JSON_LINE_BYTES = 4 * 2**20
MOST_VALUE_BYTES = 16 * 2**20
"""The largest single value; a list of any length is taken element by element."""

_SPACE = b" \t\r\n"
_DECODE_ERRORS = (ValueError, RecursionError)


def json_lines(blocks: Iterator[bytes], tally: Tally) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of each line."""
    for number, line in enumerate(split_lines(blocks, LONGEST_JSON_LINE_BYTES), start=1):
        if len(line) > LONGEST_JSON_LINE_BYTES:
            tally.refuse(number, f"longer than {LONGEST_JSON_LINE_BYTES} bytes")
            continue
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except _DECODE_ERRORS as error:
            tally.refuse(number, f"no JSON: {_words(error)}")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            tally.refuse(number, f"a JSON object was expected, not {type(value).__name__}")


def _words(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]


def json_values(blocks: Iterator[bytes], tally: Tally, *, inside: str = "") -> Iterator[tuple[str, Any]]:
    """(place, value) of each document, of each element of a document that is an array, and, with ``inside``, of each
    element of the first array that stands behind that key, at whatever depth (the rest of its document is not given).

    What is damaged is passed over up to the next line that could begin a value.
    """
    return _Values(blocks, tally, inside).values()


class _Values:
    """A window on the text that moves forward only."""

    def __init__(self, blocks: Iterator[bytes], tally: Tally, inside: str) -> None:
        self._blocks = blocks
        self._tally = tally
        self._key = json.dumps(inside).encode() if inside else b""
        self._buffer = b""
        self._start = 0
        """The offset of the buffer's first byte in the file."""
        self._ended = False

    def values(self) -> Iterator[tuple[str, Any]]:
        inside_array = self._enter() if self._key else False
        while self._skip(b"," if inside_array else b""):
            first = self._buffer[:1]
            if not inside_array and first == b"[" and not self._key:
                self._drop(1)
                inside_array = True
                continue
            if inside_array and first == b"]":
                self._drop(1)
                inside_array = self._enter() if self._key else False
                if self._key and not inside_array:
                    return
                continue
            place = f"byte {self._start}"
            found, value = self._value()
            if found:
                yield place, value
            elif not self._resynchronise():
                return

    def _enter(self) -> bool:
        """Move to the first element of the next array behind the key; False if there is none."""
        while True:
            at = self._buffer.find(self._key)
            if at >= 0:
                self._drop(at + len(self._key))
                if self._skip(b":") and self._buffer[:1] == b"[":
                    self._drop(1)
                    return True
                if not self._buffer:
                    return False
                continue
            keep = len(self._key)
            if len(self._buffer) > keep:
                self._drop(len(self._buffer) - keep)
            if not self._more():
                return False

    def _skip(self, also: bytes) -> bool:
        """Pass over white space; False at the end."""
        while True:
            rest = self._buffer.lstrip(_SPACE + also)
            self._start += len(self._buffer) - len(rest)
            self._buffer = rest
            if rest:
                return True
            if not self._more():
                return False

    def _value(self) -> tuple[bool, Any]:
        """The value at the buffer's beginning."""
        decode = json.JSONDecoder().raw_decode
        while True:
            try:
                text = self._buffer.decode("utf-8", "surrogateescape")
                value, end = decode(text)
            except _DECODE_ERRORS as error:
                if isinstance(error, RecursionError):
                    self._tally.refuse(f"byte {self._start}", "nested too deeply")
                    return False, None
                if len(self._buffer) > MOST_VALUE_BYTES:
                    self._tally.refuse(f"byte {self._start}", f"no JSON value within {MOST_VALUE_BYTES} bytes")
                    return False, None
                # An error that is not at the end is no matter of reading on; of what is cut off, read twice as much.
                position = getattr(error, "pos", None)
                cut = position is None or position >= len(text) - 16 or "Unterminated" in str(error)
                if cut and self._more(len(self._buffer)):
                    continue
                self._tally.refuse(f"byte {self._start + (position or 0)}", f"no JSON: {str(error)[:120]}")
                return False, None
            if end == len(text) and isinstance(value, int | float) and self._more():
                continue  # 12 may go on as 123
            self._drop(len(text[:end].encode("utf-8", "surrogateescape")) if not text.isascii() else end)
            return True, value

    def _resynchronise(self) -> bool:
        """Move behind the next end of a line; False if there is none."""
        while True:
            at = self._buffer.find(b"\n")
            if at >= 0:
                self._drop(at + 1)
                return True
            self._drop(len(self._buffer))
            if not self._more():
                return False

    def _drop(self, count: int) -> None:
        self._buffer = self._buffer[count:]
        self._start += count

    def _more(self, at_least: int = 1) -> bool:
        parts, got = [self._buffer], 0
        while got < at_least and (block := next(self._blocks, b"")):
            parts.append(block)
            got += len(block)
        self._buffer = b"".join(parts)
        return got > 0
