"""The few files through which a run and its guest speak, in the folder of the run.

In:    the folder, the job.
Out:   ``FOLDER/.guest/``: ``boot`` and ``job`` for the guest, ``output`` and ``ending`` from it.
Never: leaves the control folder behind, or touches anything else in the folder.
"""

from __future__ import annotations

import codecs
import marshal
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.guest import init


@contextmanager
def control_folder(folder: Path, *, entry: str, job: bytes, path: list[str], deadline_ns: int) -> Iterator[Path]:
    """The control folder with its input files, for the length of the ``with`` block."""
    control = folder / init.CONTROL_FOLDER
    try:
        control.mkdir(mode=0o700)
    except FileExistsError:
        # Ours, from a run that was killed, or from one that is going on: two guests must not share a folder.
        raise InputError(f"{control} exists: another run uses this folder, or was killed in it; remove it") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be used as the folder of a run: {error.strerror}") from error
    try:
        (control / init.JOB_FILE).write_bytes(job)
        (control / init.BOOT_FILE).write_bytes(
            marshal.dumps({"entry": entry, "path": path, "deadline_ns": deadline_ns})
        )
        yield control
    finally:
        shutil.rmtree(control, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How the function inside ended, in its own words.  All empty: it told nothing."""

    code: int | None = None
    traceback: str = ""
    signal: int | None = None
    past_deadline: bool = False
    virtual_ns: int = 0


def read_ending(control: Path) -> Ending:
    try:
        told = marshal.loads((control / init.ENDING_FILE).read_bytes())
    except (OSError, EOFError, ValueError, TypeError):
        return Ending()
    return Ending(
        code=told.get("code"),
        traceback=told.get("traceback", ""),
        signal=told.get("signal"),
        past_deadline=told.get("deadline", False),
        virtual_ns=told.get("virtual_ns", 0),
    )


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
