"""The command as a user types it: in a process of its own, with whatever it starts found again by its folder's name."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SMALL = Path(__file__).parent / "small"
PATIENCE_S = 300
"""For machines that do other work as well; nothing here waits for so long when all is well."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def triple(self) -> tuple[int, str, str]:
        return self.code, self.stdout, self.stderr


def start(
    *words: str,
    folder: Path,
    memory_bytes: int | None = None,
    under: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """``shadowlab WORDS`` in ``folder``.  Its temporary files go to ``folder/tmp``, where a test can look for them.

    ``under`` is the beginning of a longer command, such as that of ``measured.py``.
    """
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)

    def before() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that runs the tests in the background ignores it
        if memory_bytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    return subprocess.Popen(
        [*under, sys.executable, "-m", "shadowlab", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch), **(environment or {})},
        preexec_fn=before,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for it; it is killed, and the test fails, when it takes too long."""
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Ended(code=process.returncode, stdout=stdout, stderr=stderr)


def run(
    *words: str, folder: Path, memory_bytes: int | None = None, environment: Mapping[str, str] | None = None
) -> Ended:
    """Start it and wait for it."""
    return ended(start(*words, folder=folder, memory_bytes=memory_bytes, environment=environment))


def run_measured(*words: str, folder: Path) -> tuple[Ended, int]:
    """Start it and wait for it; also the most memory it held, in kB."""
    peak = folder / "peak"
    measured = [sys.executable, str(Path(__file__).with_name("measured.py")), str(peak)]
    done = ended(start(*words, folder=folder, under=measured))
    return done, int(peak.read_text())


def small_scenario(folder: Path, *edits: tuple[str, str, str]) -> Path:
    """A copy of the small scenario; each edit is (file, what must stand there exactly once, what in its place)."""
    for name in ("incident.yaml", "map.yaml", "before.ss"):
        shutil.copy(SMALL / name, folder)
    for name, old, new in edits:
        text = (folder / name).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        (folder / name).write_text(text.replace(old, new))
    return folder / "incident.yaml"


def processes_of(folder: Path) -> list[str]:
    """Every process whose command line or environment names ``folder``, or that works in it, as guests do; a zombie has
    none of these and is gone."""
    token = os.fsencode(folder)
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
            here = os.fsencode(os.readlink(entry / "cwd")).startswith(token)
            named = here or token in words or token in (entry / "environ").read_bytes()
        except OSError:  # gone, or not ours to look into
            continue
        if named:
            found.append(f"{entry.name}: {words[:80]!r}")
    return found


def assert_nothing_left(folder: Path, shared_memory_before: Sequence[str]) -> None:
    """No process, no temporary file, nothing new in shared memory; what dies with its parent gets a moment to do so."""
    patience = time.monotonic() + 10
    while left := [*processes_of(folder), *sorted(set(shared_memory()) - set(shared_memory_before))]:
        assert time.monotonic() < patience, left
        time.sleep(0.05)
    assert sorted((folder / "tmp").iterdir()) == []


def shared_memory() -> list[str]:
    """The files there; those of other programs come and go."""
    return sorted(os.listdir("/dev/shm"))


def until(so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until ``so()`` holds; fail if the process ends before, or takes too long."""
    give_up = time.monotonic() + PATIENCE_S
    while not so():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < give_up
        time.sleep(0.005)
