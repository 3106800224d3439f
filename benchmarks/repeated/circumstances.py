"""Where and how jobs are run: everything that must not matter, varied.

In: names of jobs, a seed, circumstances.  Out: what the workers said.  Never: a process left behind; load is bounded,
and ended by its own handle.
"""

from __future__ import annotations

import compileall
import json
import multiprocessing
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
AS_USER = ROOT / "tests" / "guest" / "as_user.py"
"""Runs a command as an ordinary user, from root."""
PARTS = ("shadowlab", "benchmarks")
_STACK_BYTES = 8 << 20
WALL_S = 1500

Line = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """``folder``: the working folder's name; ``another_user``: an ordinary one, where we are root; ``environment``: on
    top of what is needed; ``processes`` come and go before (process ids move by so many); ``core``: the guest and its
    parent run on this one, if there is; ``files``: descriptors that the parent holds open; ``umask``: of its files;
    ``installed``: ShadowLab is this checkout with its modules compiled, else a copy elsewhere without byte code."""

    folder: str = "one"
    another_user: bool = False
    environment: Mapping[str, str]
    processes: int = 0
    core: int = 0
    files: int = 0
    stack_bytes: int = _STACK_BYTES
    umask: int = 0o022
    installed: bool = True


PLAIN = Circumstances(environment={"PYTHONHASHSEED": "0", "TZ": "UTC", "LANG": "C"})
OTHER = Circumstances(
    folder="some where/else with a long name/" + "deep/" * 8,
    another_user=True,
    environment={
        "PYTHONHASHSEED": "4711",
        "TZ": "Asia/Tokyo",
        "LANG": "de_DE.UTF-8",
        "COLUMNS": "40",
        "OMP_NUM_THREADS": "1",
        "LD_LIBRARY_PATH": "/opt/of-somebody/lib",
        "SOMETHING_LONG": "x" * 20_000,
    },
    processes=37,
    core=1,
    files=50,
    stack_bytes=64 << 20,
    umask=0o077,
    installed=False,
)


def drawn(chance: random.Random) -> Circumstances:
    """Some circumstances."""
    words = "".join(chance.choices("abcdefghij /", k=chance.randint(1, 60))).strip(" /")
    return Circumstances(
        folder=f"f{words}",
        another_user=chance.random() < 0.5,
        environment={
            "PYTHONHASHSEED": str(chance.randrange(2**32)),
            "TZ": chance.choice(["UTC", "Asia/Tokyo", "America/St_Johns"]),
            "LANG": chance.choice(["C", "C.UTF-8", "de_DE.UTF-8"]),
            "SOMETHING_LONG": "x" * chance.randrange(30_000),
        },
        processes=chance.randrange(60),
        core=chance.randrange(64),
        files=chance.randrange(100),
        stack_bytes=_STACK_BYTES << chance.randrange(5),
        umask=chance.choice([0o022, 0o077]),
        installed=chance.random() < 0.5,
    )


def have_byte_code() -> None:
    """As an installation has it."""
    for part in PARTS:
        compileall.compile_dir(str(ROOT / part), quiet=1)


def _copy_without_byte_code(to: Path) -> None:
    for part in PARTS:
        shutil.copytree(ROOT / part, to / part, ignore=shutil.ignore_patterns("__pycache__"))


def run_jobs(names: Sequence[str], top: Path, circumstances: Circumstances, *, seed: int) -> list[Line]:
    """Run jobs in one process under ``circumstances``; their lines.  ``top`` is an existing folder.

    Raises RuntimeError with what the process said if it failed.
    """
    folder = top / circumstances.folder
    folder.mkdir(parents=True)
    root = ROOT
    if not circumstances.installed:
        root = top / "a copy of ShadowLab"
        _copy_without_byte_code(root)
    command = [sys.executable, "-m", "benchmarks.repeated.worker", ".", str(seed), *names]
    if circumstances.another_user and os.geteuid() == 0:
        command = [sys.executable, str(AS_USER), str(folder), *command]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), **circumstances.environment}
    environment |= {} if circumstances.installed else {"PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {key: os.environ[key] for key in ("HOME", "SHADOWLAB_CACHE", "XDG_CACHE_HOME") if key in os.environ}
    cores = sorted(os.sched_getaffinity(0))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(circumstances.files)]

    def prepare() -> None:
        os.sched_setaffinity(0, [cores[circumstances.core % len(cores)]])
        _, most = resource.getrlimit(resource.RLIMIT_STACK)
        stack = circumstances.stack_bytes
        resource.setrlimit(resource.RLIMIT_STACK, (stack if most < 0 else min(stack, most), most))
        os.umask(circumstances.umask)
        for _ in range(circumstances.processes):
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)

    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            preexec_fn=prepare,
            pass_fds=held,
            capture_output=True,
            text=True,
            check=False,
            timeout=WALL_S,
        )
    finally:
        for one in held:
            os.close(one)
    if done.returncode:
        raise RuntimeError(f"{' '.join(names)}: exit code {done.returncode}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def differing(one: Line, other: Line) -> list[str]:
    """Files of a job that differ, or that only one of two runs has."""
    first, second = one["files"], other["files"]
    assert isinstance(first, dict) and isinstance(second, dict)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _compute() -> None:
    while True:
        sum(range(10_000))


@contextmanager
def busy_machine(loops_per_core: int = 1) -> Iterator[None]:
    """Loops that do nothing but take time, as long as this lasts."""
    context = multiprocessing.get_context("spawn")
    count = loops_per_core * len(os.sched_getaffinity(0))
    loops = [context.Process(target=_compute, daemon=True) for _ in range(count)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()
