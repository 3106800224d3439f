"""Dask.distributed, imported late and set up once: the same for scheduler, workers and clients.

In: credentials.  Out: the library, its Security.  Raises CannotRunError where the extra is not installed.
"""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from shadowlab.errors import CannotRunError
from shadowlab.lab.farm.credentials import Credentials

WORKER_SILENCE_S = 20
"""A worker that is not heard for so long (its cable, its machine) is lost."""
_SETTINGS = {
    "distributed.scheduler.worker-ttl": f"{WORKER_SILENCE_S} s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.comm.timeouts.connect": "15 s",
    "distributed.comm.timeouts.tcp": f"{WORKER_SILENCE_S} s",
    "distributed.admin.low-level-log-length": 0,
    "distributed.worker.profile.enabled": False,
}
"""We say who gets what; no web pages; nobody waits long for who does not answer."""


def distributed(scratch: Path | None = None) -> Any:
    """The library, set up.  ``scratch``: where a scheduler keeps its locks, which the library leaves behind."""
    try:
        found = import_module("distributed")
        settings = import_module("dask").config
    except ImportError as error:
        raise CannotRunError("sweeps over hosts need dask.distributed: pip install 'shadowlab[dist]'") from error
    settings.set(_SETTINGS if scratch is None else _SETTINGS | {"temporary-directory": str(scratch)})
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told as an error, or in our own lines
    return found


def security(credentials: Credentials | None) -> Any:
    """What the library wants to know of TLS; without credentials nothing is encrypted."""
    if credentials is None:
        return distributed().Security()
    certificate, key = str(credentials.certificate), str(credentials.key)
    return distributed().Security(
        require_encryption=True,
        tls_ca_file=str(credentials.authority),
        **{
            f"tls_{role}_{what}": path
            for role in ("scheduler", "worker", "client")
            for what, path in (("cert", certificate), ("key", key))
        },
    )
