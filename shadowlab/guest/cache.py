"""Where embedded kernels are kept, and which of them to take.

In:    the environment (``SHADOWLAB_CACHE``, ``XDG_CACHE_HOME``), the clock that is wanted.
Out:   `BuiltKernel` values; folders ``kernels/KEY/{linux,preload.so,config,manifest.json,build.log}``.
Never: builds anything, or removes what is not a kernel of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from shadowlab.errors import CannotRunError, InputError

Clock = Literal["virtual", "real"]

KERNEL_FILE = "linux"
PRELOAD_FILE = "preload.so"
CONFIG_FILE = "config"
MANIFEST_FILE = "manifest.json"
LOG_FILE = "build.log"

REPEATS_SINCE = (6, 12)
"""From this version on two runs with one seed were identical; 6.1 differed by a timer tick now and then."""


@dataclass(frozen=True, kw_only=True)
class BuiltKernel:
    """A kernel that can be booted: the program, the library loaded into it, and what they were made from."""

    key: str
    version: str
    folder: Path
    sha256: str
    """Of the kernel's program file."""
    virtual_clock: bool
    source: str = ""
    """What it was built from, for people."""
    program: Path | None = None
    """A program outside the folder: Debian's own."""
    modules: Path | None = None
    """The folder of its modules, for a kernel that has netem as one."""

    @property
    def path(self) -> Path:
        return self.program or self.folder / KERNEL_FILE

    @property
    def preload(self) -> Path | None:
        """The library loaded into the kernel; None if it could not be compiled (Debian's kernel, no compiler)."""
        file = self.folder / PRELOAD_FILE
        return file if file.is_file() else None

    @property
    def repeats_exactly(self) -> bool:
        return self.virtual_clock and self.preload is not None and version_order(self.version)[:2] >= REPEATS_SINCE

    def to_json(self) -> dict[str, object]:
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()} | {
            "path": str(self.path)
        }


def version_order(version: str) -> tuple[int, ...]:
    """``6.12.117`` as numbers that sort; text without numbers sorts lowest."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def cache_folder() -> Path:
    """Where kernels are kept.  Nothing is created."""
    if chosen := os.environ.get("SHADOWLAB_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "shadowlab"


def kernels_folder() -> Path:
    return cache_folder() / "kernels"


def read_kernel(folder: Path) -> BuiltKernel | None:
    """The kernel in one folder, or None if the folder holds no complete one."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        kernel = BuiltKernel(
            key=folder.name,
            version=str(manifest["version"]),
            folder=folder,
            sha256=str(manifest["sha256"]),
            virtual_clock=bool(manifest["virtual_clock"]),
            source=str(manifest.get("source", "")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return kernel if os.access(kernel.path, os.X_OK) else None


def kernel_hash(kernel: BuiltKernel) -> str:
    """Of all that is run of it: the program by its manifest, the library that is loaded into it by its bytes."""
    preload = b"" if kernel.preload is None else kernel.preload.read_bytes()
    return sha256(kernel.sha256.encode() + sha256(preload).digest()).hexdigest()


def write_manifest(kernel: BuiltKernel) -> None:
    """Written last: a folder without it is no kernel."""
    text = json.dumps(
        {
            "version": kernel.version,
            "sha256": kernel.sha256,
            "virtual_clock": kernel.virtual_clock,
            "source": kernel.source,
        },
        indent=1,
        sort_keys=True,
    )
    (kernel.folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def list_kernels() -> list[BuiltKernel]:
    """Every complete kernel in the cache: newest version first, and of one version the one built last."""
    try:
        folders = sorted(kernels_folder().iterdir())
    except OSError:
        return []
    found = [kernel for folder in folders if (kernel := read_kernel(folder)) is not None]
    return sorted(found, key=lambda kernel: (version_order(kernel.version), _built_at(kernel)), reverse=True)


def _built_at(kernel: BuiltKernel) -> int:
    try:
        return (kernel.folder / MANIFEST_FILE).stat().st_mtime_ns
    except OSError:  # removed this moment
        return 0


def find_kernel(clock: Clock) -> BuiltKernel | None:
    """The kernel to boot for this clock, or None.  The virtual clock needs one of ours; the real one takes any."""
    for kernel in list_kernels():
        if kernel.virtual_clock or clock == "real":
            return kernel
    if clock == "real":
        from shadowlab.guest.debian import installed_kernel

        return installed_kernel()
    return None


def need_kernel(clock: Clock) -> BuiltKernel:
    """As `find_kernel`, but says what to do when there is none."""
    kernel = find_kernel(clock)
    if kernel is None:
        raise CannotRunError(
            f"no embedded kernel for the {clock} clock in {kernels_folder()}: "
            "run 'shadowlab kernel build' (3 to 5 minutes)"
        )
    return kernel


def remove_kernel(key: str) -> BuiltKernel:
    """Remove one kernel, named by its key or an unambiguous beginning of it."""
    kernels = list_kernels()
    matches = [kernel for kernel in kernels if kernel.key == key] or [
        kernel for kernel in kernels if kernel.key.startswith(key)
    ]
    if len(matches) != 1:
        known = ", ".join(sorted(kernel.key for kernel in kernels)) or "none"
        problem = "names no kernel" if not matches else "names more than one kernel"
        raise InputError(f"{key!r} {problem}; kernels in {kernels_folder()}: {known}")
    shutil.rmtree(matches[0].folder)
    return matches[0]
