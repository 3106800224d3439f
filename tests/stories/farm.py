"""A farm for tests: its services as users start them, each ended with the test."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from user_command import PATIENCE_S, run, start


def certificates(folder: Path, *names: str) -> None:
    """An authority in ``farm-ca``, and credentials for each name."""
    assert run("farm", "ca", "init", folder=folder).code == 0
    assert run("farm", "ca", "issue", *names, folder=folder).code == 0


@contextmanager
def serving(
    *words: str,
    folder: Path,
    until: str,
    under: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``shadowlab farm WORDS``, and the first line of its log that says ``until``.  Interrupted at the end, if it still
    runs."""
    process = start("farm", *words, folder=folder, under=under, environment=environment)
    try:
        yield process, line_with(process, until)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """The next line of a service's log that says so."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if words in line:
            return line.strip()
    raise AssertionError(f"it ended without saying {words!r}: {seen}")


def results(folder: Path) -> dict[str, bytes]:
    """Every result of a sweep, by name."""
    return {one.name: one.read_bytes() for one in (folder / "results").glob("*.json")}
