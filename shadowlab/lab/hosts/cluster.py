"""The hosts of a lab, reached through the farm's scheduler.

In: a file of hosts.  Out: answers of :mod:`shadowlab.lab.hosts.part`.  Never: a wait without an end for a host that is
gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shadowlab.errors import CannotRunError, InputError, ShadowFailedError
from shadowlab.lab.farm.credentials import read_credentials, scheduler_address
from shadowlab.lab.farm.crew import connected, workers_there
from shadowlab.lab.farm.library import distributed
from shadowlab.lab.farm.parcel import program_hash
from shadowlab.lab.hosts.hosts_file import Hosts
from shadowlab.lab.hosts.part import on_host
from shadowlab.lab.progress import Silent

ANSWER_S = 600.0
"""Within which a host builds its part."""


class HostGoneError(ShadowFailedError):
    """A host does not answer."""


@dataclass(kw_only=True)
class Cluster:
    """``client`` is connected."""

    client: Any
    hosts: Hosts
    _tasks: int = 0

    def there(self) -> dict[str, str]:
        """The hosts that have a worker, each with the address of one."""
        found: dict[str, str] = {}
        for address, (name, _) in sorted(workers_there(self.client).items()):
            host = name.rpartition("-")[0]
            if host in self.hosts.addresses:
                found.setdefault(host, address)
        return found

    def ask(self, host: str, what: str, *, patience_s: float | None = ANSWER_S, **words: Any) -> Any:
        """Raises what went wrong there, with the host's name before it; HostGoneError if it is not there."""
        return self.ask_all({host: words}, what, patience_s=patience_s)[host]

    def ask_all(
        self, words: Mapping[str, Mapping[str, Any]], what: str, *, patience_s: float | None = ANSWER_S
    ) -> dict[str, Any]:
        """The same of several hosts at once."""
        there = self.there()
        gone = [host for host in words if host not in there]
        if gone:
            raise HostGoneError(f"no worker of host {', '.join(gone)} is at the scheduler {self.hosts.scheduler}")
        futures = {}
        for host, some in words.items():
            self._tasks += 1
            key = f"shadowlab-host-{os.getpid()}-{id(self)}-{self._tasks}"
            futures[host] = self.client.submit(
                on_host, what, program_hash(), dict(some), key=key, workers=[there[host]], pure=False
            )
        found = {}
        for host, future in futures.items():
            try:
                answer = future.result(timeout=patience_s)
            except Exception as error:
                raise HostGoneError(f"host {host} was lost at work ({type(error).__name__})") from error
            if "why" in answer:
                kind = InputError if answer["code"] == InputError.exit_code else CannotRunError
                raise kind(f"host {host}: {answer['why']}")
            found[host] = answer["found"]
        return found


@contextmanager
def cluster(hosts: Hosts) -> Iterator[Cluster]:
    """Connected for as long as the block lasts.  Raises CannotRunError, InputError."""
    distributed()
    credentials = None if hosts.tls is None else read_credentials(hosts.tls)
    with connected(scheduler_address(hosts.scheduler, credentials), credentials, Silent()) as client:
        yield Cluster(client=client, hosts=hosts)
