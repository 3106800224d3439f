"""The Python interface to labs.

In: a map, or the name of a lab that is up.  Out: nodes to run programs in, links to change.
Never: a lab left behind by ``with Lab.open(...)``: it is taken down however the block is left.

::

    import shadowlab

    with shadowlab.Lab.open("map.yaml") as lab:
        lab["web-1"].run(["curl", "-s", "http://db-1/"]).check()
        lab.set("chi-ind", delay="30 ms", loss="1 %")
        print(lab["web-1"].run(["cat", "/etc/hosts"]).text)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import InputError, ShadowFailedError
from shadowlab.lab.live.choose import KernelWish, choose_kernel
from shadowlab.lab.live.ground import Outcome, Program
from shadowlab.lab.live.lab import LiveLab
from shadowlab.lab.live.settings import changed_link
from shadowlab.lab.live.status import status
from shadowlab.model.network import Network
from shadowlab.shadow.diff import Change
from shadowlab.topology.formats import load_map

Setting = str | int | float | bool | Mapping[str, object]
"""A value as a map has it: a text with its unit, a number, or a mapping."""


def _written(value: Setting) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A program that has ended."""

    argv: tuple[str, ...]
    node: str
    exit_code: int
    """As shells have it: 127 not found, 128 and more killed by a signal, 124 stopped when its time was up."""
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")

    def check(self) -> Finished:
        """Itself.  Raises ShadowFailedError if the exit code is not 0."""
        if self.exit_code:
            words = self.stderr.decode(errors="replace").strip()
            raise ShadowFailedError(f"{self.argv[0]} in {self.node}: exit code {self.exit_code}: {words}")
        return self


class Node:
    """One node of a lab that is up."""

    def __init__(self, lab: LiveLab, name: str) -> None:
        self._lab = lab
        self.name = name

    @property
    def address(self) -> str:
        """Its own address, by which the other nodes reach it."""
        return self._lab.account().shape.nodes[self.name].address

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a program in the node and wait for it.  Its environment is this process's, unless one is given."""
        program = Program(
            node=self.name, argv=tuple(argv), environment=dict(environment or os.environ), folder=os.getcwd()
        )
        with self._lab.in_use() as known:
            ground = self._lab.ground(known)
        outcome: Outcome = ground.run(known, program, stdin, timeout_s)
        return Finished(
            argv=program.argv,
            node=self.name,
            exit_code=outcome.exit_code,
            stdout=outcome.stdout,
            stderr=outcome.stderr,
        )


class Lab:
    """A network that lives.  Made by :meth:`open` (built, and taken down at the end) or :meth:`attach`."""

    def __init__(self, lab: LiveLab, *, ours: bool) -> None:
        self._lab = lab
        self._ours = ours

    @classmethod
    def open(
        cls,
        map_path: str | Path,
        *,
        name: str | None = None,
        kernel: KernelWish = "auto",
        programs_bytes: int = 0,
    ) -> Lab:
        """Build the lab of a map.  Leave it by ``with``, or call :meth:`down`.

        ``name``: the map's, and this process's number, without one.  ``programs_bytes``: of memory, for the programs
        in the nodes, if it stands on the embedded kernel.  Raises InputError for a map that is wrong,
        CannotRunError when no kernel here can carry it, KernelRefusedError when one object is refused.
        """
        path = Path(map_path)
        network = load_map(path)
        lab = LiveLab(name or f"{network.name[:30]}-{os.getpid()}")
        lab.up(network, kernel=choose_kernel(kernel, network), map_path=path.absolute(), programs_bytes=programs_bytes)
        return cls(lab, ours=True)

    @classmethod
    def attach(cls, name: str) -> Lab:
        """A lab that ``shadowlab up`` built; leaving it by ``with`` leaves it up."""
        lab = LiveLab(name)
        lab.whole()
        return cls(lab, ours=False)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._ours and self._lab.folder.exists:
            self.down()

    @property
    def name(self) -> str:
        return self._lab.name

    def __getitem__(self, node: str) -> Node:
        """A node by its name on the map.  Raises KeyError for one that is not there."""
        if node not in self._lab.account().shape.nodes:
            raise KeyError(node)
        return Node(self._lab, node)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lab.account().shape.nodes)

    def set(
        self, link: str, *, towards: str | None = None, dry_run: bool = False, **settings: Setting
    ) -> tuple[Change, ...]:
        """Change a link in place: ``delay="3 ms"``, ``loss="0.1 %"``, ``queue=50``, ``metric=7``, ``state="down"``.

        Every key of a link on a map can be set.  A mapping states its key whole, as on a map
        (``queue={"kind": "codel", "target": "5 ms"}``); one member alone has its name after a dot
        (``**{"queue.target": "5 ms"}``).  What is not named stays.  ``towards`` a node: only the direction that leads
        there.  What was done (with ``dry_run``: what would be), and why.
        """
        if not settings:
            raise InputError("nothing to set")
        words = [f"{key}={_written(value)}" for key, value in settings.items()]

        def make(network: Network) -> Network:
            return network.with_links(changed_link(network, link, words, towards=towards))

        if dry_run:
            return self._lab.plan_change(make)
        return self._lab.change(make, reason=f"set {link} {' '.join(words)}")

    def fail(self, link: str) -> tuple[Change, ...]:
        """Take a link down.  What it is set to stays; routes lead around it where there is a way."""
        return self.set(link, state="down")

    def restore(self, link: str) -> tuple[Change, ...]:
        """Bring a link back."""
        return self.set(link, state="up")

    def apply(self, map_path: str | Path) -> tuple[Change, ...]:
        """Make the lab what a map says, touching only what differs.  A link that was taken down comes back."""
        network = load_map(Path(map_path))
        return self._lab.change(lambda _now: network, reason=f"apply {map_path}")

    def status(self) -> dict[str, object]:
        """What ``shadowlab status --json`` prints."""
        return status(self._lab)

    def down(self) -> None:
        """Take it down."""
        self._lab.down()
