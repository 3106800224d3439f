"""Drive all flows of a run.

In: flow specifications, the addresses of the nodes, a seed.  Out: one :class:`~shadowlab.traffic.drive.Drive` per flow,
in their order.  Never: an exception for a connection that dies (it is counted, shown, and tried again).
Imported inside the guest: standard library only.

Ports follow from the order of the flows, never from the kernel's choice: the k-th flow *to* a node listens on
5001 + k; the k-th flow *from* a node comes from 20000 + k, in each attempt: where next hops of equal cost share the
flows, a connection opened anew takes the way of the one before.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from shadowlab.errors import KernelRefusedError, ShadowFailedError
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.sockets.sink import Sink
from shadowlab.model.flow import FlowSpec, Reading
from shadowlab.model.traffic.chance import Chance
from shadowlab.traffic.dialogue_drive import DialogueDrive
from shadowlab.traffic.drive import Drive
from shadowlab.traffic.handshake import Handshakes
from shadowlab.traffic.session import Session, tick_of
from shadowlab.traffic.tcp_socket import SocketDoor, check_congestion_control

FIRST_TARGET_PORT = 5001
FIRST_SOURCE_PORT = 20000
FLOWS_PER_NODE = FIRST_SOURCE_PORT - FIRST_TARGET_PORT
INSTEAD = "cubic"
"""The congestion control of a flow whose own the kernel has not."""
PHASE_NS = 2_000_000
"""Ticks of different flows fall on the multiples of it: spread, yet often together in one wake-up."""


class Engine:
    """All flows of a run.  Enter it to listen, :meth:`start` it, let the loop run.

    ``reading`` says who reads at the targets (see `Reading`); where the kernel does not, it is done lazily.  With
    ``other_ports`` a flow whose port an earlier one left in TIME-WAIT comes from the next that is no other flow's:
    where flows run in what stood before, and not in a network of their own.
    """

    def __init__(
        self,
        *,
        loop: Loop,
        segment: SocketDoor,
        flows: Sequence[FlowSpec],
        addresses: Mapping[str, str],
        seed: int,
        addresses6: Mapping[str, str] | None = None,
        reading: Reading = "kernel",
        other_ports: bool = False,
    ) -> None:
        self._loop = loop
        self._segment = segment
        self._reading = reading
        self._sink: Sink | None = None
        to: dict[str, int] = {}
        out: dict[str, int] = {}
        drives: list[Drive] = []
        handshakes = Handshakes(segment)
        leaving = Counter(spec.source for spec in flows)
        for spec in flows:
            inward, outward = to.get(spec.target, 0), out.get(spec.source, 0)
            to[spec.target], out[spec.source] = inward + 1, outward + 1
            if max(inward, outward) >= FLOWS_PER_NODE:
                raise ShadowFailedError(f"flow {spec.id}: more than {FLOWS_PER_NODE} flows begin or end at one node")
            tick_ns = tick_of(spec)
            slot = zlib.crc32(f"{seed}:{spec.id}".encode()) % (tick_ns // PHASE_NS)
            session = Session(spec, tick_ns=tick_ns, phase_ns=slot * PHASE_NS)
            at = addresses6 if spec.ipv6 and addresses6 else addresses
            source = (at[spec.source], FIRST_SOURCE_PORT + outward)
            target = (at[spec.target], FIRST_TARGET_PORT + inward)
            step = leaving[spec.source] if other_ports else 0
            if spec.dialogue is not None:
                chance = Chance(seed, "flow", spec.id)
                drives.append(DialogueDrive(loop, segment, session, source, target, handshakes, chance, step))
            else:
                drives.append(Drive(loop, segment, session, source, target, reading != "prompt", handshakes, step))
        self.drives: tuple[Drive, ...] = tuple(drives)
        self._by_id = {drive.session.spec.id: drive for drive in drives}

    def __enter__(self) -> Engine:
        try:
            self._settle_congestion_controls()
            if self._reading == "kernel" and self.drives:
                with suppress(KernelRefusedError):  # read lazily then, which takes more system calls
                    self._sink = Sink().__enter__()
            for drive in self.drives:
                drive.open(self._sink)
        except BaseException:
            self.close()
            raise
        return self

    def _settle_congestion_controls(self) -> None:
        """A flow whose record names one that this kernel has not takes CUBIC, and says so.

        Raises KernelRefusedError when one that was asked for cannot be had.
        """
        using: dict[tuple[str, str], list[Drive]] = {}
        for drive in self.drives:
            spec = drive.session.spec
            using.setdefault((spec.source, spec.tcp.congestion_control), []).append(drive)
        for (node, control), drives in using.items():
            asked = [one for one in drives if not one.session.spec.tcp.control_recorded]
            whose = f"flow {(asked or drives)[0].session.spec.id}"
            try:
                check_congestion_control(self._segment, node, control, whose=whose)
            except KernelRefusedError as error:
                if asked or error.errno_name != "ENOENT":
                    raise
                check_congestion_control(self._segment, node, INSTEAD, whose=whose)
                for drive in drives:
                    drive.take_instead(INSTEAD)

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every socket of every flow."""
        for drive in self.drives:
            drive.close()
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def start(self, start_ns: int) -> None:
        """Let every flow begin at ``start_ns`` (monotonic, the run's zero) plus its own ``start_ns``."""
        for drive in self.drives:
            self._loop.at(start_ns + drive.session.spec.start_ns, drive.start)

    def scale(self, flows: Sequence[str], factor: float) -> None:
        """The named flows (all, if none is named) at ``factor`` times their specified demand.

        Raises KeyError for a flow that does not exist.
        """
        for drive in [self._by_id[one] for one in flows] or self.drives:
            drive.scale(factor)

    def set_congestion(self, flows: Sequence[str], control: str) -> None:
        """Give these flows another congestion control, at once and for connections to come.

        Raises KeyError for a flow that does not exist, KernelRefusedError when the kernel has no such control.
        """
        for drive in [self._by_id[one] for one in flows]:
            drive.set_congestion(control)

    def set_pacing(self, flows: Sequence[str], rate_bps: int | None) -> None:
        """Hold each of these flows to a rate, or to none.

        Raises KeyError for a flow that does not exist, KernelRefusedError when the kernel does not take it.
        """
        for drive in [self._by_id[one] for one in flows]:
            drive.set_pacing(rate_bps)

    def summary(self) -> dict[str, dict[str, int | str]]:
        """Per flow what the samples do not show at a glance: how it ended, failures and why, bytes in and out, what its
        connection holds otherwise than it wished."""
        return {
            drive.session.spec.id: {
                "state": drive.session.state,
                "failures": drive.session.failures,
                "last_failure": drive.session.last_failure,
                "written_bytes": drive.session.written_bytes,
                "received_bytes": drive.received_bytes,
                "unsent_bytes": drive.session.unsent_bytes,
                "differs": "; ".join(drive.differs),
            }
            for drive in self.drives
        }
