"""Debian's ready ``user-mode-linux`` package: good for the real clock, without building a kernel.

In:    /usr/bin/linux.uml and /usr/lib/uml/modules, if the package is installed.
Out:   a `BuiltKernel` without the virtual clock.
Never: installs anything.  The preloaded library is compiled into the cache if a compiler is there; without it the
       kernel boots on CPUs without AMX, and chance is the host's.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from shadowlab.guest.cache import PRELOAD_FILE, BuiltKernel, cache_folder, version_order

PROGRAM = Path("/usr/bin/linux.uml")
MODULES = Path("/usr/lib/uml/modules")


def installed_kernel(*, program: Path = PROGRAM, modules: Path = MODULES) -> BuiltKernel | None:
    """Debian's kernel, or None if the package is not installed."""
    if not os.access(program, os.X_OK):
        return None
    version = _newest_modules(modules)
    folder = cache_folder() / "debian"
    _compile_library(folder)
    return BuiltKernel(
        key="debian",
        version=version,
        folder=folder,
        sha256="",
        virtual_clock=False,
        source="Debian package user-mode-linux",
        program=program,
        modules=modules if modules.is_dir() else None,
    )


def _newest_modules(modules: Path) -> str:
    """The package's kernel version, which is the name of its modules' folder."""
    try:
        return max((folder.name for folder in modules.iterdir()), key=version_order, default="unknown")
    except OSError:
        return "unknown"


def _compile_library(folder: Path) -> None:
    from shadowlab.guest.build import PRELOAD_SOURCE, compile_command
    from shadowlab.guest.tools import build_environment

    library = folder / PRELOAD_FILE
    try:
        if library.stat().st_mtime >= PRELOAD_SOURCE.stat().st_mtime:
            return
    except OSError:
        pass
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            new = Path(scratch) / PRELOAD_FILE
            subprocess.run(compile_command(new), check=True, capture_output=True, env=build_environment(), timeout=60)
            new.rename(library)
    except (OSError, subprocess.SubprocessError):
        return  # no compiler: `BuiltKernel.preload` is None, and says so
