"""The programs a build needs: are they there, which packages bring them, and how they are run.

In:    names of programs; command lines.
Out:   an error that names what is missing and the line that installs it; a log.
Never: leaves a program running: it is killed with all it started when the build is given up.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from shadowlab.errors import CannotRunError, ShadowFailedError

FOR_THE_KERNEL: Mapping[str, str] = {
    "bc": "bc",
    "bison": "bison",
    "flex": "flex",
    "gcc": "gcc",
    "ld": "binutils",
    "make": "make",
    "strip": "binutils",
    "tar": "tar",
    "xz": "xz-utils",
}
"""Program, and the Debian package that brings it."""

FOR_THE_LIBRARY: Mapping[str, str] = {"gcc": "gcc", "ld": "binutils"}

C_HEADER = ("/usr/include/stdio.h", "libc6-dev")

SAME_BYTES = (
    "KBUILD_BUILD_TIMESTAMP=2025-01-01",
    "KBUILD_BUILD_USER=shadowlab",
    "KBUILD_BUILD_HOST=shadowlab",
    "KBUILD_BUILD_VERSION=1",
)
"""What the kernel would otherwise put into itself; the same source gives the same kernel."""

LAST_LINES = 12


def need(programs: Mapping[str, str], *, search_path: str | None = None, header: tuple[str, str] = C_HEADER) -> None:
    """Raise `CannotRunError` with all that is missing at once."""
    missing = {name: package for name, package in programs.items() if shutil.which(name, path=search_path) is None}
    if not Path(header[0]).exists():
        missing[header[0]] = header[1]
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise CannotRunError(
            f"missing to build the embedded kernel: {', '.join(sorted(missing))}; "
            f"as root: apt-get install --no-install-recommends {packages}"
        )


def usable_cpus() -> int:
    return len(os.sched_getaffinity(0))


def compiler_version() -> str:
    """The compiler's first line about itself: part of a kernel's key."""
    try:
        run = subprocess.run(
            ["gcc", "--version"], capture_output=True, text=True, check=True, env=build_environment(), timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRunError(f"gcc --version: {error}") from error
    return run.stdout.partition("\n")[0].strip()


def build_environment() -> dict[str, str]:
    """Nothing of the user's that would change the result (CFLAGS, MAKEFLAGS, ARCH, LANG, ...)."""
    kept = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


@dataclass(frozen=True)
class Log:
    """Where every command and its output is written."""

    file: TextIO
    path: Path

    def run(self, command: list[str], what: str, *, on_line: Callable[[str], None] | None = None) -> None:
        """Run one command to its end; raise `ShadowFailedError` with its last lines if it fails."""
        self.file.write(f"$ {' '.join(command)}\n")
        last = deque[str](maxlen=LAST_LINES)
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=build_environment(),
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    self.file.write(line)
                    last.append(line.rstrip("\n"))
                    if on_line is not None:
                        on_line(line)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        self.file.flush()
        if process.returncode != 0:
            if any(re.search(r"No space left on device", line) for line in last):
                raise CannotRunError(f"cannot {what}: no space left on the disk of {self.path.parent} (needs 1.5 GB)")
            lines = "\n".join(f"  {line}" for line in last)
            raise ShadowFailedError(f"cannot {what} (exit {process.returncode}); log: {self.path}\n{lines}")
