"""A file is written whole or not at all.

In: a path and its bytes.  Out: the file, on the disk when this returns.  Never: half a file under its final name.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from shadowlab.errors import DiskFullError, ShadowLabError


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary name beside ``path``, sync, rename.  Raises ShadowLabError, naming the folder."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise translated(error, f"write {path.name}", path.parent) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def translated(error: OSError, tried: str, folder: Path) -> ShadowLabError:
    """What a user can act on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"cannot {tried}: no space left in {folder}; free some, or choose another folder")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ShadowLabError(f"cannot {tried}: {folder} is not writable for this user; choose another folder")
    return ShadowLabError(f"cannot {tried} in {folder}: {error.strerror or error}")
