"""Build our kernel from source, once, into the cache.

In:    a `KernelSource`; ``kernel.config`` and ``preload.c`` beside this file; a compiler.
Out:   a `BuiltKernel` in the cache.  Its key names the source, the configuration, the library and the compiler.
Never: needs a privilege, writes outside the cache, or leaves half a kernel: everything is made in a folder of its
       own, which is renamed when it is complete and removed otherwise.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError, ShadowFailedError
from shadowlab.guest import tools
from shadowlab.guest.cache import (
    CONFIG_FILE,
    KERNEL_FILE,
    LOG_FILE,
    PRELOAD_FILE,
    BuiltKernel,
    kernels_folder,
    read_kernel,
    version_order,
    write_manifest,
)
from shadowlab.guest.options import Options, read_options
from shadowlab.guest.source import KernelSource, read_version
from shadowlab.guest.unwind import cleanup_on_sigterm

Progress = Callable[[str, float], None]
"""What is being done, and the fraction of the whole that is done."""

HERE = Path(__file__).resolve().parent
CONFIG_SOURCE = HERE / "kernel.config"
PRELOAD_SOURCE = HERE / "preload.c"

OLDEST = (6, 1)
CLOCK_GRAIN = (
    (
        "arch/um/include/linux/time-internal.h",
        "#define TIMER_MULTIPLIER 256\n",
        "#define TIMER_MULTIPLIER 1\n",
    ),
    (
        "arch/um/kernel/time.c",
        "time_travel_update_time_rel(TIMER_MULTIPLIER);",
        "time_travel_update_time_rel(256);",
    ),
)
"""Lines of the source that are changed before it is compiled: file, line, what it becomes.

User-mode Linux counts its clock in steps of 256 ns.  A timer goes off at its very nanosecond, but then the clock still
reads the step before, the packet that was due is not due yet, and waits for another half microsecond: at every hop.
Counted in nanoseconds a packet leaves when it should.  That reading the clock takes 256 ns is kept: programs that wait
in a loop for time to pass rely on it.
"""
UNPACKED = 0.05
CONFIGURED = 0.07
STEPS = 1400
"""Lines that make prints for 6.12; only the progress bar depends on it."""


def kernel_key(source: KernelSource, *, options: str, preload: str, compiler: str) -> str:
    """The name of a kernel in the cache: same inputs, same kernel."""
    changed = ("\0".join(change) for change in CLOCK_GRAIN if source.is_tarball)
    content = hashlib.sha256("\0".join((source.digest, options, preload, compiler, *changed)).encode()).hexdigest()
    return f"{source.version}-{content[:12]}"


def build_kernel(
    source: KernelSource, *, progress: Progress = lambda _what, _fraction: None, jobs: int | None = None
) -> BuiltKernel:
    """The kernel for this source: from the cache if it is there, else built (3 to 5 minutes on two cores).

    Raises `CannotRunError` when a tool is missing, naming the tools and the packages; `ShadowFailedError` when the
    build fails, with the last lines of the log; `InputError` for a source that is too old.
    """
    if source.version != "unknown" and version_order(source.version)[:2] < OLDEST:
        raise InputError(f"kernel source {source.path}: version {source.version} is older than 6.1")
    tools.need(tools.FOR_THE_KERNEL)
    options_text = CONFIG_SOURCE.read_text(encoding="utf-8")
    key = kernel_key(
        source,
        options=options_text,
        preload=PRELOAD_SOURCE.read_text(encoding="utf-8"),
        compiler=tools.compiler_version(),
    )
    with cleanup_on_sigterm(), _only_builder(progress), _scratch(key) as scratch:
        if (built := read_kernel(kernels_folder() / key)) is not None:
            return built
        kernel = _build(source, read_options(options_text), scratch, key, progress, jobs or tools.usable_cpus())
    progress("done", 1.0)
    return kernel


@contextmanager
def _only_builder(progress: Progress) -> Iterator[None]:
    """Two builds at once would fight for the cores and for the folder: the second waits."""
    folder = kernels_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise CannotRunError(f"the cache {folder} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build", 0.0)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(key: str) -> Iterator[Path]:
    """A folder to build in, removed at the end; what a killed build left is removed first (we hold the lock)."""
    for left in kernels_folder().glob(".building-*"):
        shutil.rmtree(left, ignore_errors=True)
    place = kernels_folder()
    if re.search(r"[\s:]", str(place.resolve())):  # make cannot cope with such a path
        place = Path(tempfile.gettempdir())
    scratch = Path(tempfile.mkdtemp(prefix=f".building-{key}-", dir=place)).resolve()
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build(
    source: KernelSource, options: Options, scratch: Path, key: str, progress: Progress, jobs: int
) -> BuiltKernel:
    log_path = kernels_folder() / f"{key}.log"  # stays where it is when the build fails
    result, work = scratch / "result", scratch / "o"
    result.mkdir()
    work.mkdir()
    with log_path.open("w", encoding="utf-8") as log_file:
        log = tools.Log(log_file, log_path)
        log.run(compile_command(result / PRELOAD_FILE), "compile the preloaded library")
        progress("unpacking the kernel source", 0.0)
        tree = source.path
        if source.is_tarball:
            tree = scratch / "source"
            tree.mkdir()
            log.run(source.unpack_command(tree), "unpack the kernel source")
            refine_clock(tree)
        version = read_version(tree)
        if version_order(version)[:2] < OLDEST:
            raise InputError(f"kernel source {source.path}: version {version} is older than 6.1")

        progress(f"configuring Linux {version}", UNPACKED)
        make = ["make", "-C", str(tree), f"O={work}", "ARCH=um", "SUBARCH=x86_64", *tools.SAME_BYTES]
        wishes = scratch / "wishes"
        wishes.write_text(options.fragment(), encoding="utf-8")
        log.run([*make, f"KCONFIG_ALLCONFIG={wishes}", "allnoconfig"], "configure the kernel")
        options.check((work / ".config").read_text(encoding="utf-8"))

        steps = 0

        def count(_line: str) -> None:
            nonlocal steps
            steps += 1
            progress(f"building Linux {version}", min(0.99, CONFIGURED + (1 - CONFIGURED) * steps / STEPS))

        log.run([*make, f"-j{jobs}", "linux"], "build the kernel", on_line=count)
        log.run(["strip", "-o", str(result / KERNEL_FILE), str(work / "linux")], "strip the kernel")
    shutil.copyfile(work / ".config", result / CONFIG_FILE)
    kernel = BuiltKernel(
        key=key,
        version=version,
        folder=result,
        sha256=hashlib.sha256((result / KERNEL_FILE).read_bytes()).hexdigest(),
        virtual_clock=True,
        source=str(source.path),
    )
    write_manifest(kernel)
    os.replace(log_path, result / LOG_FILE)
    return _move_in(result, kernels_folder() / key)


def refine_clock(tree: Path) -> None:
    """Change :data:`CLOCK_GRAIN` in an unpacked tree of our own, all of it or (a version that reads otherwise) nothing:
    then the clock has steps of 256 ns, and nothing else is different."""
    changes = []
    for name, line, becomes in CLOCK_GRAIN:
        file = tree / name
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if text.count(line) != 1:
            return
        changes.append((file, text.replace(line, becomes)))
    for file, text in changes:
        file.write_text(text, encoding="utf-8")


def compile_command(to: Path) -> list[str]:
    # -z now: nothing is looked up later, on the one-page stack of a process about to be traced.
    return ["gcc", "-O2", "-Wall", "-shared", "-fPIC", "-Wl,-z,now", "-o", str(to), str(PRELOAD_SOURCE)]


def _move_in(result: Path, place: Path) -> BuiltKernel:
    if place.exists():  # incomplete, else it would have been taken
        shutil.rmtree(place)
    try:
        result.rename(place)
    except OSError:  # built in another file system
        half = place.with_name(f".building-{place.name}-moving")
        shutil.copytree(result, half)
        half.rename(place)
    kernel = read_kernel(place)
    if kernel is None:
        with suppress(OSError):
            shutil.rmtree(place)
        raise ShadowFailedError(f"the kernel built into {place} cannot be read back")
    return kernel
