"""The folder of one run.

In: a path the user chose.  Out: a folder with whole files, or as it was before.  Never: a file of someone else removed
or overwritten.

While a run writes, its folder carries a mark, :data:`MARK`, in which every name is noted *before* it is made.  The
mark goes last.  So a folder with a mark is unfinished: if no process holds it, what is noted may be removed, and
nothing else.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from shadowlab.errors import DiskFullError, InputError, ShadowLabError
from shadowlab.store.recorder import ENDING
from shadowlab.store.whole import sync_folder, translated, write_whole

MARK = ".shadowlab-unfinished"
SIGNIFICANT_DIGITS = 9


class RunFolder:
    """Enter it to create the folder; leaving it by an exception removes what was made, the folder too if it is ours.

    ``records`` names the entries that hold what was measured.  When the disk gets full, these stay, and the mark with
    them: they can be read, and the next run into the folder takes it over.
    """

    def __init__(self, path: Path, *, records: tuple[str, ...] = ()) -> None:
        self.path = path
        self._records = records
        self._mark: int | None = None
        self._names: set[str] = set()
        self._made_folder = False

    def __enter__(self) -> RunFolder:
        try:
            self._made_folder = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._take()
        except FileExistsError as error:
            raise InputError(f"{self.path} is a file: choose another folder with --out") from error
        except OSError as error:
            if self._made_folder:
                with suppress(OSError):
                    self.path.rmdir()
            raise translated(error, "create the run folder", self.path) from error
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        kept = isinstance(error, DiskFullError) and self._holds_rows()
        if error is not None:
            self._remove_made(but=self._records if kept else ())
        if not kept:
            with suppress(FileNotFoundError):
                (self.path / MARK).unlink()
        if self._mark is not None:
            os.close(self._mark)
            self._mark = None
        if kept:
            raise DiskFullError(
                f"{error}; what was measured until then is kept: shadowlab query {self.path} --list"
            ) from (error if isinstance(error, DiskFullError) else None)
        if error is not None and self._made_folder:
            with suppress(OSError):  # someone else's file is in it: it stays
                self.path.rmdir()
        elif error is None:
            sync_folder(self.path)

    def _holds_rows(self) -> bool:
        from shadowlab.store.reader import BlockReader

        for path in sorted(one for name in self._records for one in (self.path / name).glob(f"*{ENDING}")):
            with suppress(ShadowLabError), BlockReader(path) as reader:
                if reader.rows:
                    return True
        return False

    def file(self, name: str) -> Path:
        """The path of a file that someone else will write; noted as ours.  Raises ValueError for a path."""
        self._note(name)
        return self.path / name

    def subfolder(self, name: str) -> Path:
        """A new folder inside."""
        self._note(name)
        folder = self.path / name
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise translated(error, f"create {name}", self.path) from error
        return folder

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Whole or not at all."""
        path = self.file(name)
        write_whole(path, content)
        return path

    def write_text(self, name: str, text: str) -> Path:
        """UTF-8, whole or not at all."""
        return self.write_bytes(name, text.encode())

    def write_json(self, name: str, value: Any) -> Path:
        """The same bytes for the same value; see :func:`format_json`."""
        return self.write_text(name, format_json(value))

    def _take(self) -> None:
        """Become the one process that writes here, or say why not."""
        found = sorted(one.name for one in self.path.iterdir())
        if found and MARK not in found:
            raise InputError(
                f"{self.path} already holds {found[0]}{' and more' if len(found) > 1 else ''}: "
                "a run never writes over another; choose a new folder with --out, or remove this one"
            )
        mark = os.open(self.path / MARK, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(mark)
            raise InputError(f"another run is writing into {self.path}: choose another folder with --out") from None
        self._mark = mark
        noted = (self.path / MARK).read_text(encoding="utf-8").splitlines()
        self._names = {name for name in noted if _is_plain(name)}
        self._remove_made()
        left = sorted(one.name for one in self.path.iterdir() if one.name != MARK)
        if left:
            os.close(mark)
            self._mark = None
            raise InputError(
                f"{self.path} is left from a run that did not end, and holds {left[0]}, which that run did not make: "
                "choose a new folder with --out, or remove this one"
            )
        os.ftruncate(mark, 0)

    def _note(self, name: str) -> None:
        if not _is_plain(name):
            raise ValueError(f"{name!r} is not a plain file name")
        if self._mark is None:
            raise ShadowLabError(f"the run folder {self.path} is not open")
        if name not in self._names:
            self._names.add(name)
            os.write(self._mark, f"{name}\n".encode())

    def _remove_made(self, but: tuple[str, ...] = ()) -> None:
        for name in sorted(self._names.difference(but)):
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            for one in (path, path.with_name(f".{name}.part")):
                with suppress(OSError):
                    one.unlink()
        self._names.clear()


def is_being_written(folder: Path) -> bool:
    """Whether a process holds the mark of a run folder now.  An unfinished folder that none holds was left behind."""
    try:
        mark = os.open(folder / MARK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(mark, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(mark)
    return False


def _is_plain(name: str) -> bool:
    """Whether a name is that of an entry of the folder itself, whatever a damaged mark may say."""
    return Path(name).name == name and name not in ("", ".", "..", MARK)


def format_json(value: Any) -> str:
    """JSON with sorted keys, two spaces, a final newline; floats to nine significant digits, NaN and infinity as null.

    Raises TypeError for what JSON cannot hold.
    """
    return json.dumps(_rounded(value), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rounded(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        value = value.tolist()
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value
