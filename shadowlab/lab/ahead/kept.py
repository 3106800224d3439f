"""The folder of a sweep: figures by the content of their job, kept until somebody removes the folder.

In: a path.  Out: a store of figures that survives a kill at any moment.  Never: a job run twice because the program
died; a folder of somebody else used; two sweeps in one folder at the same time.

A result is a file named after its job's content, written whole or not at all.  So what is there is right, whatever
question it was run for, and a sweep that was killed goes on by being started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.lab.ahead.measuring import Store
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.predict.sweep.figures import FORMAT, RunFigures
from shadowlab.store.whole import translated, write_whole

MARK = "sweep.json"
RESULTS = "results"
SCRATCH = "scratch"
_LOCK = ".lock"


class SweepFolder(Store):
    """Enter it to take the folder; leaving it keeps what was found."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> SweepFolder:
        path = self.path
        try:
            if path.exists() and not path.is_dir():
                raise InputError(f"{path} is a file: choose another folder with --out")
            if path.is_dir() and any(path.iterdir()) and not (path / MARK).exists() and not self._only_ours():
                raise InputError(f"{path} holds something else than a sweep: choose another folder with --out")
            (path / RESULTS).mkdir(parents=True, exist_ok=True)
            self._take()
            shutil.rmtree(path / SCRATCH, ignore_errors=True)  # of one that was killed
            (path / SCRATCH).mkdir()
        except OSError as error:
            raise translated(error, "make the folder of the sweep", path) from error
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        shutil.rmtree(self.path / SCRATCH, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def _only_ours(self) -> bool:
        """Killed between making the folder and marking it."""
        return {one.name for one in self.path.iterdir()} <= {RESULTS, _LOCK, SCRATCH}

    def _take(self) -> None:
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another sweep is writing into {self.path}: choose another folder with --out") from None
        if not (self.path / MARK).exists():
            write_whole(self.path / MARK, json.dumps({"format": "sweep/1"}).encode() + b"\n")

    @property
    def scratch(self) -> Path:
        """For raw records of runs under way."""
        return self.path / SCRATCH

    @property
    def kept(self) -> int:
        """How many results are there."""
        return sum(1 for _ in (self.path / RESULTS).glob("*.json"))

    def get(self, content_id: str) -> RunFigures | None:
        """What the job showed; a damaged file is as if it were not there."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            plain = json.loads((self.path / RESULTS / f"{content_id}.json").read_text(encoding="utf-8"))
            if plain.pop("format") == FORMAT:
                return from_plain(RunFigures, plain)
        return None

    def put(self, content_id: str, figures: RunFigures) -> None:
        """Keep it, whole."""
        plain = {"format": FORMAT, **to_plain(figures)}
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        write_whole(self.path / RESULTS / f"{content_id}.json", text.encode() + b"\n")

    def write(self, name: str, content: bytes) -> Path:
        """One of the sweep's own files, in the place of an older one."""
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        write_whole(path, content)
        return path
