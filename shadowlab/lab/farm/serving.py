"""The two services of a farm: its scheduler, and a host's workers under a supervisor.

In: addresses, credentials.  Out: lines about what comes and goes.  Never: a worker left behind, or started again and
again without end.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shadowlab.errors import CannotRunError
from shadowlab.kernel.service import Service, start
from shadowlab.lab.farm import core as core_module
from shadowlab.lab.farm.core import Core
from shadowlab.lab.farm.credentials import Credentials
from shadowlab.lab.farm.library import distributed, security
from shadowlab.lab.farm.restarts import Restarts

Say = Callable[[str], None]
_LOOK_EVERY_S = 0.2
_SCRATCH = "shadowlab-farm-"
_LOCK = ".lock"


def serve_scheduler(host: str, port: int, credentials: Credentials | None, say: Say, ended: Callable[[], bool]) -> None:
    """Until ``ended()``.  Raises CannotRunError if the address cannot be had."""

    async def serve(library: Any) -> None:
        scheduler = library.Scheduler(
            host=host,
            port=port,
            protocol="tcp" if credentials is None else "tls",
            security=security(credentials),
            dashboard=False,
            dashboard_address="127.0.0.1:0",
        )
        try:
            await scheduler
        except OSError as error:
            raise CannotRunError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        say(f"scheduler at {scheduler.address}")
        known: dict[str, str] = {}
        try:
            while not ended():
                there = {str(address): str(one.name) for address, one in scheduler.workers.items()}
                for address in sorted(there.keys() - known.keys()):
                    say(f"worker {there[address]} came from {address}")
                for address in sorted(known.keys() - there.keys()):
                    say(f"worker {known[address]} is gone")
                known = there
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(scheduler.close(fast=True), 5)

    distributed()
    with _scratch() as folder:
        asyncio.run(serve(distributed(folder)))


@dataclass(kw_only=True)
class _Kept:
    core: Core
    restarts: Restarts
    service: Service | None = None
    due_s: float = 0.0
    given_up: bool = False


def supervise(cores: Sequence[Core], say: Say, ended: Callable[[], bool]) -> None:
    """A process for each, started again when it dies, until ``ended()``.  Raises CannotRunError when none is left."""
    distributed()  # told here, not by each of them
    kept = [_Kept(core=one, restarts=Restarts()) for one in cores]
    with _scratch() as folder:
        try:
            while not ended():
                for one in kept:
                    _keep(one, folder, say)
                if all(one.given_up for one in kept):
                    raise CannotRunError("every worker died again and again: see above why")
                time.sleep(_LOOK_EVERY_S)
        finally:
            for one in kept:
                if one.service is not None:
                    one.service.end()


def _keep(one: _Kept, folder: Path, say: Say) -> None:
    now_s, own = time.monotonic(), folder / one.core.name
    if one.service is None:
        if not one.given_up and now_s >= one.due_s:
            shutil.rmtree(own, ignore_errors=True)
            own.mkdir()
            words = replace(one.core, scratch=str(own)).words()
            one.service = start(core_module.__name__, words, {"TMPDIR": str(own), "PYTHONSAFEPATH": "1"})
            say(f"worker {one.core.name}: process {one.service.pid}")
        return
    code = one.service.code()
    if code is None:
        return
    wait_s = one.restarts.after(now_s - one.service.since_s)
    why = "its scheduler is gone or does not answer" if code == core_module.NO_SCHEDULER else f"exit code {code}"
    one.service.end(0.0)
    one.service, one.given_up = None, wait_s is None
    shutil.rmtree(own, ignore_errors=True)
    if wait_s is None:
        say(f"worker {one.core.name} ended ({why}), too often: it is not started again")
    else:
        one.due_s = now_s + wait_s
        say(f"worker {one.core.name} ended ({why}): again in {wait_s:g} s")


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder of our own; those of supervisors that were killed are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        with suppress(OSError), (old / _LOCK).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)
    folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
    own = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(own, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(own)
