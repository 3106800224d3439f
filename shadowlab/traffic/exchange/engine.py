"""All workloads of a run.

In: workloads, compute models, the addresses of the nodes, a seed.  Out: packets, and a record of every exchange that
ended.  Never: an exception for a connection that dies.  Imported inside the guest: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shadowlab.kernel.loop import Loop
from shadowlab.model.traffic.completion import InstanceSample, StreamSample
from shadowlab.model.traffic.workload import Compute, Datagrams, Incast, Lookups, Requests, Transfers, Workload
from shadowlab.traffic.exchange.datagrams import DatagramsDriver
from shadowlab.traffic.exchange.desk import Desk
from shadowlab.traffic.exchange.driver import Driver, Sink, Surroundings
from shadowlab.traffic.exchange.incast import IncastDriver
from shadowlab.traffic.exchange.lookups import LookupsDriver
from shadowlab.traffic.exchange.requests import ClosedLoopDriver, OpenLoopDriver, requests_driver
from shadowlab.traffic.exchange.sockets import Ports
from shadowlab.traffic.exchange.transfers import TransfersDriver
from shadowlab.traffic.tcp_socket import SocketDoor


class Exchanges:
    """Enter it to listen, :meth:`start` it, let the loop run, :meth:`finish` it.

    Workloads of other kinds (programs, replays) are left to those who drive them; the index of a workload in records is
    its place among all.  ``sink`` gets every record as its exchange ends.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        segment: SocketDoor,
        workloads: Sequence[Workload],
        compute: Mapping[str, Compute],
        addresses: Mapping[str, str],
        seed: int,
        sink: Sink,
        addresses6: Mapping[str, str] | None = None,
        ports: Ports | None = None,
    ) -> None:
        self._desk = Desk(loop=loop, compute=compute, seed=seed)
        self._zero_ns = 0
        ports = ports if ports is not None else Ports()
        self._drivers: dict[str, Driver] = {}
        for index, one in enumerate(workloads):
            around = Surroundings(
                loop=loop,
                door=segment,
                ports=ports,
                desk=self._desk,
                sink=sink,
                seed=seed,
                index=index,
                addresses=addresses6 if addresses6 and getattr(one, "ipv6", False) else addresses,
            )
            driver = _driver(one, around)
            if driver is not None:
                self._drivers[one.name] = driver

    def __enter__(self) -> Exchanges:
        try:
            for driver in self._drivers.values():
                driver.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket."""
        for driver in self._drivers.values():
            driver.close()

    def start(self, zero_ns: int, duration_ns: int) -> None:
        """The run's zero is at ``zero_ns`` (monotonic); nothing begins after ``duration_ns``."""
        self._zero_ns = zero_ns
        for driver in self._drivers.values():
            driver.start(zero_ns, duration_ns)

    def scale(self, names: Sequence[str], factor: float) -> None:
        """The workloads named (all, if none is) at ``factor`` times their demand.  Raises KeyError."""
        for driver in [self._drivers[one] for one in names] or self._drivers.values():
            driver.scale(factor)

    def resize(self, node: str, workers: int) -> None:
        """Raises KeyError for a node without a compute model, ValueError for fewer workers than one."""
        self._desk.resize(node, workers)

    def set_servers(self, name: str, servers: Sequence[str], like: str) -> None:
        """Raises KeyError for what is no workload of requests, ValueError when a client would be left without."""
        driver = self._drivers[name]
        if not isinstance(driver, ClosedLoopDriver | OpenLoopDriver):
            raise KeyError(name)
        driver.lead_to(servers, like)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the workloads driven here."""
        return tuple(self._drivers)

    def finish(self) -> None:
        """Record every exchange that still goes on as unfinished."""
        for driver in self._drivers.values():
            for end in driver.going_on():
                end()

    def instances(self) -> list[InstanceSample]:
        """Every instance now."""
        return self._desk.sample(self._zero_ns)

    def streams(self) -> list[StreamSample]:
        """Every stream of datagrams now."""
        return [one for driver in self._drivers.values() if (one := driver.stream()) is not None]


def _driver(one: Workload, around: Surroundings) -> Driver | None:
    match one:
        case Transfers():
            return TransfersDriver(one, around)
        case Requests():
            return requests_driver(one, around)
        case Incast():
            return IncastDriver(one, around)
        case Datagrams():
            return DatagramsDriver(one, around)
        case Lookups():
            return LookupsDriver(one, around)
        case _:
            return None
