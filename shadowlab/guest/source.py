"""Where the kernel's source comes from.

In:    ``--source DIR|TARBALL``, or nothing: then Debian's ``linux-source`` packages in /usr/src.
Out:   `KernelSource`, and its unpacked tree.
Never: downloads or installs anything.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError
from shadowlab.guest.cache import REPEATS_SINCE, version_order

DEBIAN_FOLDER = Path("/usr/src")
DEBIAN_PATTERN = "linux-source-*.tar.*"
TARBALL_SUFFIXES = (".tar.xz", ".tar.gz", ".tar.bz2", ".tar.zst", ".tar")

EXCLUDED = tuple(
    f"*/{folder}/{pattern}"
    for folder in (
        *(f"arch/{name}" for name in ("alpha", "arc", "arm", "arm64", "csky", "hexagon", "loongarch", "m68k")),
        *(f"arch/{name}" for name in ("microblaze", "mips", "nios2", "openrisc", "parisc", "powerpc", "riscv")),
        *(f"arch/{name}" for name in ("s390", "sh", "sparc", "xtensa")),
        *(f"drivers/{name}" for name in ("gpu", "media", "staging", "scsi", "infiniband", "net/ethernet")),
        *("drivers/net/wireless", "sound", "fs/xfs", "fs/btrfs"),
    )
    for pattern in ("*.c", "*.h", "*.S", "*.dts", "*.dtsi")
)
"""Two thirds of the files, never compiled here.  Their Kconfig and Makefile are read, and stay."""


@dataclass(frozen=True, kw_only=True)
class KernelSource:
    """A kernel source tree, packed or not."""

    path: Path
    version: str
    """As far as it is known before unpacking: ``6.12`` for Debian's tarball, ``6.12.117`` for a folder."""
    digest: str
    """Of the tarball's bytes; of a folder's Makefile and place."""

    @property
    def is_tarball(self) -> bool:
        return self.path.is_file()

    @property
    def repeats_exactly(self) -> bool:
        return version_order(self.version)[:2] >= REPEATS_SINCE

    def unpack_command(self, to: Path) -> list[str]:
        """Unpack a tarball into an existing folder, without its top folder."""
        excludes = [f"--exclude={pattern}" for pattern in EXCLUDED]
        return ["tar", "--extract", f"--file={self.path}", f"--directory={to}", "--strip-components=1", *excludes]


def find_source(wanted: Path | None, *, debian_folder: Path = DEBIAN_FOLDER) -> KernelSource:
    """The source to build from: the one that is wanted, else Debian's newest."""
    if wanted is None:
        tarballs = [file for file in debian_folder.glob(DEBIAN_PATTERN) if file.name.endswith(TARBALL_SUFFIXES)]
        if not tarballs:
            raise CannotRunError(
                f"no kernel source in {debian_folder}: as root, 'apt-get install linux-source-6.12' "
                "(or linux-source), or name one with --source DIR|TARBALL"
            )
        wanted = max(tarballs, key=lambda file: (version_order(file.name.partition(".tar")[0]), file.name))
    path = wanted.absolute()
    if path.is_dir():
        return _read_folder(path.resolve())
    if path.is_file() and path.name.endswith(TARBALL_SUFFIXES):
        return _read_tarball(path)
    what = "is neither a folder nor a tarball (.tar, .tar.xz, ...)" if path.exists() else "does not exist"
    raise InputError(f"kernel source {path}: {what}")


def read_version(tree: Path) -> str:
    """The full version that a tree's Makefile states."""
    try:
        makefile = (tree / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        makefile = ""
    values = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*) *$", makefile, re.MULTILINE))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= values.keys():
        raise InputError(f"kernel source {tree}: its Makefile states no version; this is no kernel source")
    return f"{values['VERSION']}.{values['PATCHLEVEL']}.{values['SUBLEVEL']}{values.get('EXTRAVERSION', '')}"


def _read_folder(path: Path) -> KernelSource:
    version = read_version(path)
    if re.search(r"[\s:]", str(path)):
        raise InputError(f"kernel source {path}: the kernel cannot be built from a path with a space or a colon")
    digest = hashlib.sha256((path / "Makefile").read_bytes() + str(path).encode()).hexdigest()
    return KernelSource(path=path, version=version, digest=digest)


def _read_tarball(path: Path) -> KernelSource:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    found = re.search(r"(\d+(?:\.\d+)+)", path.name.partition(".tar")[0])
    return KernelSource(path=path, version=found.group(1) if found else "unknown", digest=digest.hexdigest())
