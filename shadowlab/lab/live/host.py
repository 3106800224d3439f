"""A lab on the host's kernel: named namespaces, visible under ``ip netns``; no process of ours stays.

In: the lab's account, which says what was made.  Out: the kernel's state.
Never: an interface, route, sysctl or namespace of the machine touched that does not carry the lab's mark.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shadowlab.errors import CannotRunError, ShadowFailedError
from shadowlab.kernel import named, programs
from shadowlab.kernel.named import NamedSegment
from shadowlab.lab.live.folder import GUEST_FOLDER, HOSTS_FILE, LabFolder, all_labs_lock, boot_id
from shadowlab.lab.live.ground import OnStepName, Outcome, Program, View, observe
from shadowlab.shadow.apply import OnStep, apply
from shadowlab.shadow.ledger import Account, Intent
from shadowlab.shadow.ops import Op
from shadowlab.shadow.recover import Removed, carry_on, remove_named_nodes, standing_nodes

_FOLDER_NOTE = Path("/run/shadowlab.netns")
"""How the folder of names was before the first lab made it.  Beside that folder, for whoever leaves it last."""


class HostGround:
    """See :class:`~shadowlab.lab.live.ground.Ground`."""

    def __init__(self, folder: LabFolder) -> None:
        self._folder = folder

    def open(self, account: Account) -> None:
        if os.geteuid() != 0:
            raise CannotRunError(
                "a lab on the host's kernel needs root, for its names under 'ip netns'; "
                "use sudo, or --kernel embedded, which needs no rights"
            )
        with all_labs_lock():
            if not _FOLDER_NOTE.exists():
                before = named.read_folder()
                if before.exists and before.mounted:
                    return
                _write_note(_FOLDER_NOTE, json.dumps({"exists": before.exists, "mounted": before.mounted}))
            named.make_folder()

    def alive(self, account: Account) -> bool:
        return account.begun.boot == boot_id() and all(
            _is_there(account.begun.lab, node) for node in account.shape.nodes
        )

    def apply(self, account: Account, intent: Intent, on_step: OnStep | None) -> None:
        touched = {name for op in intent.ops for name in _nodes_of(op)}
        with self._segment(account, only=touched) as segment:
            apply(intent.ops, segment, on_step=on_step)

    def finish(self, account: Account, intent: Intent) -> None:
        with self._segment(account, more=intent.ops) as segment:
            carry_on(segment, intent)

    def observe(self, account: Account) -> View:
        with self._segment(account) as segment:
            return observe(segment, segment.namespaces())

    def run(self, account: Account, program: Program, stdin: bytes, timeout_s: float | None) -> Outcome:
        with self._inside(account, program.node):
            try:
                started = programs.start(
                    program.argv,
                    environment=program.environment or os.environ,
                    folder=program.folder,
                    stdin=programs.PIPE,
                    stdout=programs.PIPE,
                    stderr=programs.PIPE,
                    hosts=self._hosts,
                )
            except programs.START_ERRORS as error:
                code, words = programs.why_not(program.argv, error)
                return Outcome(exit_code=code, stdout=b"", stderr=f"shadowlab: {words}\n".encode())
        return Outcome(**programs.collect(started, stdin, timeout_s))

    def attach(self, account: Account, program: Program) -> int:
        with self._inside(account, program.node):
            if program.folder is not None:
                os.chdir(program.folder)
            try:
                programs.become(program.argv, environment=program.environment or os.environ, hosts=self._hosts)
            except OSError as error:
                code, words = programs.why_not(program.argv, error)
                print(f"shadowlab: {words}", file=sys.stderr)  # noqa: T201 - as a shell would
                return code

    def remove(self, account: Account, on_step: OnStepName | None) -> Removed:
        if account.begun.boot != boot_id():
            return Removed(nodes=(), foreign=(), programs=0)
        return remove_named_nodes(account, on_step=on_step)

    @property
    def _hosts(self) -> str:
        return str(self._folder.path / GUEST_FOLDER / HOSTS_FILE)

    @contextmanager
    def _inside(self, account: Account, node: str) -> Iterator[None]:
        with self._segment(account, only={node}) as segment, segment.inside(node):
            yield

    @contextmanager
    def _segment(
        self, account: Account, *, only: set[str] | None = None, more: tuple[Op, ...] = ()
    ) -> Iterator[NamedSegment]:
        """The lab's namespaces (those of ``only`` that are there), taken up by what the ledger says of them."""
        with NamedSegment(account.begun.lab, next_ifindex=account.next_ifindex) as segment:
            for node, standing in standing_nodes(account.shape, more).items():
                if only is not None and node not in only:
                    continue
                if not segment.adopt(node, standing) and not more:
                    raise ShadowFailedError(
                        f"lab {account.begun.name}: the namespace {named.name_of(account.begun.lab, node)} is gone, or "
                        f"is not the lab's any more; 'shadowlab gc' clears the lab away"
                    )
            yield segment


def unmake_names() -> None:
    """Put the folder of names back as it was before the first lab, once nobody's name is in it.  Under the lock."""
    if os.geteuid() != 0:
        return
    try:
        before = json.loads(_FOLDER_NOTE.read_text())
    except FileNotFoundError:
        return
    if named.unmake_folder(named.FolderState(exists=before["exists"], mounted=before["mounted"])):
        _FOLDER_NOTE.unlink(missing_ok=True)


def _write_note(note: Path, text: str) -> None:
    new = note.with_name(note.name + ".new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.rename(note)


def _is_there(lab: str, node: str) -> bool:
    fd = named.open_name(lab, node)
    if fd is None:
        return False
    os.close(fd)
    return True


def _nodes_of(op: Op) -> tuple[str, ...]:
    names = (getattr(op, name, "") for name in ("node", "node_a", "node_b"))
    return tuple(name for name in names if name)
