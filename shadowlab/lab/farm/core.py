"""One core's worker: a process that runs one errand at a time, pinned to its core.  Started by the supervisor.

In: its words as one JSON document.  Out: an exit code.  Never: a life beyond its supervisor's or its scheduler's.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from shadowlab.errors import ShadowLabError
from shadowlab.kernel.service import tie_to_parent
from shadowlab.lab.farm.credentials import read_credentials
from shadowlab.lab.farm.crew import MEMORY
from shadowlab.lab.farm.library import distributed, security

NO_SCHEDULER = 4
"""The exit code of a worker whose scheduler does not answer, or is gone."""


@dataclass(frozen=True, kw_only=True)
class Core:
    """``host``: the address that others reach this worker by; "" lets the system choose."""

    scheduler: str
    credentials: str
    core: int
    name: str
    host: str
    memory_bytes: int
    scratch: str

    def words(self) -> list[str]:
        """For the command line."""
        return [json.dumps(asdict(self), sort_keys=True)]


async def serve(core: Core) -> int:
    """Until the scheduler is gone."""
    library = distributed()
    credentials = read_credentials(Path(core.credentials)) if core.credentials else None
    worker = library.Worker(
        core.scheduler,
        nthreads=1,
        name=core.name,
        host=core.host or None,
        local_directory=core.scratch,
        security=security(credentials),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
        resources={MEMORY: core.memory_bytes},
        memory_limit=0,
        death_timeout="20 s",
    )
    try:
        await worker
    except Exception as error:  # noqa: BLE001 - nobody answers, or not to us: the library has many names for it
        print(f"shadowlab: worker {core.name}: {core.scheduler}: {error}", file=sys.stderr)  # noqa: T201
        return NO_SCHEDULER
    await worker.finished()
    return NO_SCHEDULER


def main(text: str) -> int:
    """The process."""
    tie_to_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to hear
    core = Core(**json.loads(text))
    os.sched_setaffinity(0, {core.core})
    try:
        code = asyncio.run(serve(core))
    except ShadowLabError as error:
        print(f"shadowlab: {error}", file=sys.stderr)  # noqa: T201
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)  # an errand under way would be waited for


if __name__ == "__main__":
    main(sys.argv[1])
