"""An errand on its way to a worker: what it is, and what a worker must be to run it.

In: an errand, a kernel.  Out: bytes, and the errand again.  Never: an errand unpacked by another program than the one
that packed it: results would differ, or worse, look alike.
"""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import zstandard

import shadowlab
from shadowlab.guest.cache import (
    KERNEL_FILE,
    PRELOAD_FILE,
    BuiltKernel,
    cache_folder,
    kernel_hash,
    list_kernels,
    read_kernel,
    write_manifest,
)
from shadowlab.lab.ahead.crew import Errand


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """``program``: see :func:`program_hash`; ``kernel``: see :func:`kernel_hash`."""

    program: str
    kernel: str
    packed: bytes


@cache
def program_hash() -> str:
    """Of all that decides what a run does beside its kernel: our own files, and the Python they run on."""
    folder = Path(shadowlab.__file__).parent
    found = sha256(sys.version.encode())
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".py", ".c", ".config"):
            found.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()


def pack(errand: Errand, kernel: BuiltKernel) -> Parcel:
    """To be sent."""
    packed = zstandard.compress(pickle.dumps(errand))
    return Parcel(program=program_hash(), kernel=kernel_hash(kernel), packed=packed)


def unpack(parcel: Parcel) -> Errand:
    """The errand.  Raises ValueError if another program packed it."""
    if parcel.program != program_hash():
        raise ValueError(
            f"it runs another ShadowLab ({shadowlab.__version__}, Python {sys.version.split()[0]}) than the one that "
            "asks: install the same on both"
        )
    found: Errand = pickle.loads(zstandard.decompress(parcel.packed))
    return found


@dataclass(frozen=True, kw_only=True)
class KernelParcel:
    """A kernel's files, for a worker that has no such kernel."""

    kernel: BuiltKernel
    program: bytes
    preload: bytes | None


def pack_kernel(kernel: BuiltKernel) -> KernelParcel:
    """To be sent."""
    preload = None if kernel.preload is None else zstandard.compress(kernel.preload.read_bytes())
    return KernelParcel(kernel=kernel, program=zstandard.compress(kernel.path.read_bytes()), preload=preload)


def find_by_hash(wanted: str) -> BuiltKernel | None:
    """Of the kernels that were built here or received, the one with these bytes."""
    received = [one for folder in sorted(_received().glob("*/*")) if (one := read_kernel(folder)) is not None]
    return next((one for one in (*list_kernels(), *received) if _bytes_hash(one) == wanted), None)


def keep_kernel(parcel: KernelParcel, wanted: str) -> BuiltKernel:
    """Keep what was sent, beside the kernels that were built here.  Raises ValueError for other bytes than ``wanted``,
    OSError if they cannot be kept.  Several may keep the same one at a time."""
    folder = _received() / wanted / parcel.kernel.key
    there = read_kernel(folder)
    if there is not None and _bytes_hash(there) == wanted:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / KERNEL_FILE, zstandard.decompress(parcel.program), 0o755)
    if parcel.preload is not None:
        _write(folder / PRELOAD_FILE, zstandard.decompress(parcel.preload), 0o755)
    kept = BuiltKernel(
        key=parcel.kernel.key,
        version=parcel.kernel.version,
        folder=folder,
        sha256=sha256((folder / KERNEL_FILE).read_bytes()).hexdigest(),
        virtual_clock=parcel.kernel.virtual_clock,
        source="received",
    )
    if kernel_hash(kept) != wanted:
        for name in (KERNEL_FILE, PRELOAD_FILE):
            (folder / name).unlink(missing_ok=True)
        raise ValueError(f"the kernel that came is not {parcel.kernel.key}: its bytes are others than they should be")
    write_manifest(kept)
    return kept


def _received() -> Path:
    return cache_folder() / "received"


@cache
def _bytes_hash(kernel: BuiltKernel) -> str:
    """By the bytes that are there now, not by what a manifest says of them."""
    if sha256(kernel.path.read_bytes()).hexdigest() != kernel.sha256:
        return ""
    return kernel_hash(kernel)


def _write(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.chmod(mode)
    beside.replace(path)
