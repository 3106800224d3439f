"""The few files through which a run and its guest speak, in the folder of the run.

In:    the folder, the job.
Out:   ``FOLDER/.guest/``: ``boot``, ``job`` and links to the program for the guest, ``output`` and ``ending`` from it.
Never: leaves the control folder behind, or touches anything else in the folder.
"""

from __future__ import annotations

import codecs
import errno
import fcntl
import marshal
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest import init

LEAST_ROOM_BYTES = 32 << 20
"""On a disk with less the bundle is left out: it takes 2 MB, which the run's records may need."""


@contextmanager
def control_folder(folder: Path, *, job: bytes, boot: dict[str, object], bundle: bytes | None = None) -> Iterator[Path]:
    """The control folder with its input files, for the length of the ``with`` block.

    ``boot`` is what `init.py` wants to know: ``entry``, ``path``, ``deadline_ns``, ``modules``.  ``bundle``: the
    modules that it will import, compiled.
    """
    control = folder / init.CONTROL_FOLDER
    lock = -1
    ours = True
    try:
        try:
            control.mkdir(mode=0o700, exist_ok=True)
            lock = os.open(control, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ours = False
            raise InputError(f"{folder}: another run is going on in this folder") from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be used as the folder of a run: {error.strerror}") from error
        for left_by_a_killed_run in control.iterdir():
            left_by_a_killed_run.unlink()
        (control / init.JOB_FILE).write_bytes(job)
        room = os.statvfs(control)
        if bundle is not None and room.f_bavail * room.f_frsize >= LEAST_ROOM_BYTES:
            (control / init.BUNDLE_FILE).write_bytes(bundle)
        (control / init.INTERPRETER_LINK).symlink_to(os.path.realpath(sys.executable))
        (control / init.PROGRAM_LINK).symlink_to(os.path.realpath(init.__file__))
        if (libraries := own_libraries()) is not None:
            (control / init.LIBRARIES_LINK).symlink_to(libraries)
        (control / init.BOOT_FILE).write_bytes(marshal.dumps(boot))
        yield control
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CannotRunError(f"{folder}: the disk is full") from error
    finally:
        if ours:
            shutil.rmtree(control, ignore_errors=True)
        if lock >= 0:
            os.close(lock)


def own_libraries() -> str | None:
    """The folder of LD_LIBRARY_PATH from which this Python took its own library; None if it needs none of them."""
    folders = {os.path.realpath(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(":") if one}
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        mapped = {line.rstrip("\n").partition("/")[2] for line in maps if "/libpython" in line}
    return next((folder for one in sorted(mapped) if (folder := os.path.dirname(f"/{one}")) in folders), None)


@dataclass
class OutputTail:
    """Follows the output file while the guest appends to it."""

    file: Path
    _position: int = 0
    _rest: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )

    def new_lines(self) -> list[str]:
        """The lines completed since the last call."""
        try:
            with self.file.open("rb") as file:
                file.seek(self._position)
                new = file.read()
        except FileNotFoundError:
            return []
        self._position += len(new)
        *lines, self._rest = (self._rest + self._decoder.decode(new)).split("\n")
        return lines

    def last_line(self) -> list[str]:
        """What was written after the last line break."""
        rest, self._rest = self._rest, ""
        return [rest] if rest else []
