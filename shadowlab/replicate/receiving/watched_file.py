"""Files that are read again when they change: tokens, and the list of revoked certificates.

In: a path and how to read it.  Out: what the newest readable version says, or the reason why there is none.
Never: an old version used after a new one could not be read: then everything is refused until it can be.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from shadowlab.errors import InputError

_T = TypeVar("_T")


class WatchedFile(Generic[_T]):
    """One file.  Looked at whenever its value is asked for: one ``stat``."""

    def __init__(self, path: Path, read: Callable[[Path], _T]) -> None:
        self._path = path
        self._read = read
        self._seen: tuple[int, int, int] | None = None
        self._value: _T | None = None
        self._error: InputError | None = None
        self._lock = threading.Lock()

    def value(self) -> _T:
        """What it says now.  Raises InputError while it cannot be read or is wrong."""
        with self._lock:
            return self._value_now()

    def _value_now(self) -> _T:
        try:
            status = os.stat(self._path)
        except OSError as error:
            self._seen = None
            raise InputError(f"{self._path}: cannot be read: {error.strerror}") from error
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen != self._seen:
            self._seen, self._value, self._error = seen, None, None
            try:
                self._value = self._read(self._path)
            except OSError as error:
                self._error = InputError(f"{self._path}: cannot be read: {error.strerror}")
            except InputError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        assert self._value is not None
        return self._value
