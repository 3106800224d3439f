"""The segment on Linux: as root of a private segment of the host kernel, or as root inside the embedded one.

In: names, numbers, impairments.  Out: the kernel's state, or :class:`~shadowlab.errors.KernelRefusedError`.
Never: a name in the file system, a trace after the process has ended, a decision about what should be.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shadowlab.kernel import netns
from shadowlab.kernel.ports import ScriptOutcome
from shadowlab.kernel.segment.forwarding import Forwarding
from shadowlab.kernel.segment.interfaces import Interfaces
from shadowlab.kernel.segment.queues import Queues
from shadowlab.kernel.syscalls import refusal

if TYPE_CHECKING:
    from shadowlab.kernel.programs import Running


class LinuxSegment(Interfaces, Forwarding, Queues):
    """Implements :class:`~shadowlab.kernel.ports.Segment`.  For one thread."""

    def open_network_file(self, node: str, name: str) -> int:
        """A file of ``/proc/net`` as the node has it, read-only: it stays the node's, and each read from 0 is fresh."""
        namespace = self._read(node, f"open /proc/net/{name} in {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            return netns.open_network_file(name)

    def open_socket(self, node: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
        tried = f"open a socket in {node}"
        namespace = self._read(node, tried)
        with netns.visit(namespace.fd, self._home_fd, node):
            try:
                return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
            except OSError as error:
                raise refusal(tried, error.errno or 0) from error

    def run_script(
        self, node: str, argv: Sequence[str], environment: Mapping[str, str], timeout_ns: int, text: str
    ) -> ScriptOutcome:
        from shadowlab.kernel import children  # subprocess is slow to import, and few runs have scripts

        namespace = self._read(node, f"run {argv[0]} in {node}")
        with netns.visit(namespace.fd, self._home_fd, node):
            return children.run(argv, environment, timeout_ns, text, f"{argv[0]} in {node}")

    def start_program(self, node: str, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> Running:
        """Start a program that runs beside everything else, in a node's namespace, its output in one stream.

        Raises KernelRefusedError if it cannot be started.
        """
        from shadowlab.kernel import children, programs  # subprocess is slow to import, and few runs have programs

        tried = f"start {argv[0]} in {node}"
        namespace = self._read(node, tried)
        with netns.visit(namespace.fd, self._home_fd, node):
            try:
                started = programs.start(
                    argv,
                    environment={"PATH": children.PATH, "HOME": folder, "TMPDIR": folder, **environment},
                    folder=folder,
                    stdin=programs.NO_INPUT,
                    stdout=programs.PIPE,
                    stderr=programs.STDOUT,
                    hosts=None,
                )
            except programs.START_ERRORS as error:
                raise refusal(tried, getattr(error, "errno", 0) or 0) from error
            return programs.Running(started)
