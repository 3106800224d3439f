"""One lab from its birth to its end: what is done is in the ledger before it is done.

In: maps, changes.  Out: a lab that is built whole or not at all, and changes that say why they are made.
Never: two commands changing one lab; never a change built on one that was stopped on the way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError, ShadowFailedError, ShadowLabError
from shadowlab.kernel.examine.memory import free_bytes
from shadowlab.kernel.links import FIRST_IFINDEX
from shadowlab.lab.live.embedded import EmbeddedGround
from shadowlab.lab.live.folder import (
    GUEST_FOLDER,
    HOSTS_FILE,
    BusyError,
    LabFolder,
    all_labs_lock,
    boot_id,
    lab_names,
)
from shadowlab.lab.live.ground import Ground, KernelKind, OnStepName
from shadowlab.lab.live.host import HostGround, unmake_names
from shadowlab.model.network import Network
from shadowlab.predict.cost import count_parts, format_bytes, map_cost, need_memory
from shadowlab.shadow.apply import OnStep
from shadowlab.shadow.diff import Change, diff
from shadowlab.shadow.ledger import Account, Begun, Done, Failed, Intent, Leaving, Ledger, account
from shadowlab.shadow.plan import build_plan
from shadowlab.shadow.readback import ops_of
from shadowlab.shadow.recover import Removed
from shadowlab.shadow.shape import EMPTY, Shape, shape_of
from shadowlab.shadow.spread import WIRE
from shadowlab.topology.addressing import address
from shadowlab.topology.routing import shortest_routes

OnRecord = Callable[[str], None]
"""Called after each step that changes something, with its name: tests stop the program there."""


class LiveLab:
    """A lab by its folder.  Reading needs no lock; each change takes it."""

    def __init__(self, name: str) -> None:
        self.folder = LabFolder(name)
        self._ledger = Ledger(self.folder.path)

    @property
    def name(self) -> str:
        return self.folder.name

    def account(self) -> Account:
        """What the ledger says.  Raises InputError if there is no such lab."""
        if not self.folder.exists:
            raise InputError(f"there is no lab {self.name}; there are: {', '.join(lab_names()) or 'none'}")
        found = account(self._ledger.read(), first_ifindex=FIRST_IFINDEX)
        if found is None:
            raise ShadowFailedError(f"lab {self.name} was stopped before it began; 'shadowlab gc' clears it away")
        return found

    def whole(self) -> Account:
        """The account of a lab that can be used.  Raises ShadowFailedError for one that is not whole or not there."""
        found = self.account()
        if found.leaving:
            raise ShadowFailedError(
                f"lab {self.name} is being torn down; if that was stopped, 'shadowlab gc' finishes it"
            )
        if found.network is None:
            raise ShadowFailedError(f"lab {self.name} is being built, or was stopped on the way: 'shadowlab gc'")
        if found.open is not None:
            why = f" ({found.why})" if found.why else ""
            raise ShadowFailedError(
                f"the last change of lab {self.name} was not carried out whole{why}: "
                "'shadowlab apply' finishes it first, 'shadowlab down' removes the lab"
            )
        return found

    def ground(self, known: Account, *, memory_bytes: int = 0) -> Ground:
        """The kernel it stands on; ``memory_bytes`` are what a guest that is not open yet is given."""
        if known.begun.kernel == "host":
            return HostGround(self.folder)
        return EmbeddedGround(self.folder, memory_bytes=memory_bytes)

    # --- birth -------------------------------------------------------------------------------------------------

    def up(
        self,
        network: Network,
        *,
        kernel: KernelKind,
        map_path: Path,
        on_op: OnStep | None = None,
        memory_bytes: int | None = None,
        programs_bytes: int = 0,
        shape: Shape | None = None,
        elsewhere: Sequence[tuple[str, str]] = (),
    ) -> tuple[Change, ...]:
        """Build it.  Whatever goes wrong on the way, nothing of it stays.

        ``memory_bytes`` are what it may take; without a figure, what this machine has free.  Raises CannotRunError,
        before anything is made, for a map that needs more.  ``programs_bytes``: an embedded guest is given so much
        beyond what its map needs, for the programs in its nodes.  ``shape``: what the network amounts to, where it is a
        part of a larger one and others decided that; ``elsewhere`` are then address and name of each other node.
        """
        changes = diff(EMPTY, shape or wanted_shape(network, EMPTY))
        cost = map_cost(count_parts([change.op for change in changes]), kernel)
        need_memory(cost, free_bytes() if memory_bytes is None else memory_bytes, f"lab {self.name}")
        with ExitStack() as held:
            with all_labs_lock():
                self.folder.make()
                held.enter_context(self.folder.lock())
            try:
                self._build(network, changes, kernel, map_path, on_op, programs_bytes, elsewhere)
            except BaseException:
                self._clear_away(None)
                raise
        return changes

    def _build(
        self,
        network: Network,
        changes: tuple[Change, ...],
        kernel: KernelKind,
        map_path: Path,
        on_op: OnStep | None,
        programs_bytes: int,
        elsewhere: Sequence[tuple[str, str]],
    ) -> None:
        self._ledger.read()
        self._ledger.append(
            Begun(
                lab=os.urandom(4).hex(),
                name=self.name,
                kernel=kernel,
                boot=boot_id(),
                map=str(map_path),
                at_ns=time.time_ns(),
            )
        )
        intent = Intent(ops=tuple(change.op for change in changes), network=network, reason="built from the map")
        self._write_hosts(shape_of(intent.ops), elsewhere)
        begun = self.account()
        cost = map_cost(count_parts(intent.ops), kernel)
        self.ground(begun, memory_bytes=cost.guest_bytes + programs_bytes).open(begun)
        self._carry_out(intent, on_op)

    def _carry_out(self, intent: Intent, on_op: OnStep | None) -> None:
        self._ledger.append(intent)
        known = self.account()
        try:
            self.ground(known).apply(known, intent, on_op)
        except Exception as error:
            self._ledger.append(Failed(why=str(error)))
            raise
        self._ledger.append(Done())

    def _write_hosts(self, shape: Shape, elsewhere: Sequence[tuple[str, str]] = ()) -> None:
        known = [(address, node.node) for node in shape.nodes.values() for address in (node.address, node.address6)]
        known += elsewhere
        lines = ["127.0.0.1 localhost", *(f"{address} {node}" for address, node in known if address)]
        folder = self.folder.path / GUEST_FOLDER
        try:
            folder.mkdir(exist_ok=True)
            (folder / HOSTS_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")  # in place: it is mounted
            (folder / HOSTS_FILE).chmod(0o644)  # programs of any user look names up
        except OSError as error:
            raise CannotRunError(f"lab {self.name}: {folder / HOSTS_FILE}: {error.strerror}") from error

    # --- change ------------------------------------------------------------------------------------------------

    def plan_change(self, make: Callable[[Network], Network]) -> tuple[Change, ...]:
        """What :meth:`change` would do."""
        known = self.account()
        _need_whole_network(known)
        network = known.network if known.open is None else known.open.network
        if network is None:
            self.whole()  # says what it is instead
        assert network is not None
        shape = known.shape if known.open is None else shape_of(known.open.ops, known.shape)
        return diff(shape, wanted_shape(make(network), shape))

    def change(
        self, make: Callable[[Network], Network], *, reason: str, on_op: OnStep | None = None
    ) -> tuple[Change, ...]:
        """Make the lab what ``make`` makes of its network: only what differs is touched.  What was done, and why."""
        with self.folder.lock():
            known = self._finished()
            _need_whole_network(known)
            assert known.network is not None
            network = make(known.network)
            want = wanted_shape(network, known.shape)
            changes = diff(known.shape, want)
            self._need_room(known, want)
            if changes or network != known.network:
                ops = tuple(change.op for change in changes)
                try:
                    self._carry_out(Intent(ops=ops, network=network, reason=reason), on_op)
                except ShadowLabError as error:
                    self._take_back(known, error)
                    raise
                self._write_hosts(want)
        return changes

    def _need_room(self, known: Account, want: Shape) -> None:
        """Raises CannotRunError for a change that needs more memory than there is, before anything is touched."""
        kernel: KernelKind = "host" if known.begun.kernel == "host" else "embedded"
        now, then = (map_cost(count_parts(ops_of(shape)), kernel) for shape in (known.shape, want))
        if then.memory_bytes <= now.memory_bytes:
            return
        ground = self.ground(known)
        if not isinstance(ground, EmbeddedGround):
            need_memory(then, free_bytes() + now.memory_bytes, f"lab {self.name}, changed,")
        elif then.memory_bytes > ground.memory_bytes:
            raise CannotRunError(
                f"lab {self.name}, changed, needs {format_bytes(then.memory_bytes)}, and its guest was given "
                f"{format_bytes(ground.memory_bytes)} when it went up: take it down and up again with the new map"
            )

    def _take_back(self, before: Account, error: ShadowLabError) -> None:
        """The kernel refused a change: make everything as it was before it."""
        assert before.network is not None
        known = self.account()
        assert known.open is not None
        back = tuple(change.op for change in diff(shape_of(known.open.ops, before.shape), before.shape))
        intent = Intent(ops=back, network=before.network, reason=f"taken back: {error}")
        self._ledger.append(intent)
        known = self.account()
        self.ground(known).finish(known, intent)
        self._ledger.append(Done())

    def _finished(self) -> Account:
        """The account, after a change that was stopped on the way has been carried out whole."""
        known = self.account()
        if known.open is not None and known.network is not None and not known.leaving:
            again = known.open
            self._ledger.append(again)  # once more: what it makes anew takes numbers never given
            known = self.account()
            self.ground(known).finish(known, again)
            self._ledger.append(Done())
        return self.whole()

    @contextmanager
    def in_use(self) -> Iterator[Account]:
        """While a program is started or the kernel is read: nobody changes the lab meanwhile."""
        with self.folder.lock(shared=True):
            yield self.whole()

    # --- end ---------------------------------------------------------------------------------------------------

    def down(self, *, on_step: OnStepName | None = None) -> Removed:
        """Take it away, whatever state it is in."""
        with self.folder.lock():
            return self._clear_away(on_step)

    def _clear_away(self, on_step: OnStepName | None) -> Removed:
        known = account(self._ledger.read(), first_ifindex=FIRST_IFINDEX)
        removed = Removed(nodes=(), foreign=(), programs=0)
        step = on_step or (lambda _name: None)
        if known is not None:
            if not known.leaving:
                self._say_leaving()
                step("leaving")
            removed = self.ground(known).remove(known, on_step)
            step("removed")
        with all_labs_lock():
            self.folder.remove()
            step("folder")
            unmake_names()
            step("names")
        return removed

    def _say_leaving(self) -> None:
        with suppress(CannotRunError):  # the disk is full: what is to be removed is written already
            self._ledger.append(Leaving())

    def is_dead(self) -> bool:
        """Under the lab's lock: whether nobody will go on with it."""
        known = account(self._ledger.read(), first_ifindex=FIRST_IFINDEX)
        return known is None or not known.whole or not self.ground(known).alive(known)


def collect_garbage() -> tuple[tuple[str, Removed | str], ...]:
    """Remove every lab that ended badly: stopped while it was built, changed or torn down, or gone from the kernel.

    Each with what was removed, or why it could not be.  Labs that somebody is working on are passed over.
    """
    found: list[tuple[str, Removed | str]] = []
    for name in lab_names():
        lab = LiveLab(name)
        try:
            with lab.folder.lock():
                if lab.is_dead():
                    found.append((name, lab._clear_away(None)))
        except (BusyError, InputError):
            continue  # alive, or gone this moment
        except (CannotRunError, ShadowFailedError) as error:
            found.append((name, str(error)))
    with all_labs_lock():
        unmake_names()
    return tuple(found)


def _need_whole_network(known: Account) -> None:
    if any(node.startswith(WIRE) and not one.address for node, one in known.shape.nodes.items()):
        raise InputError(
            f"lab {known.begun.name} is a part of one over several hosts, and is not changed alone: take that "
            "down, and up again with the new map"
        )


def wanted_shape(network: Network, live: Shape) -> Shape:
    """What a network amounts to, with the addresses of what lives already.  Raises InputError if it cannot be."""
    try:
        fabric = address(network, keep=live.fabric)
        routes = shortest_routes(network, fabric, avoid=network.down, partial=True, aggregate=True)
        return shape_of(build_plan(network, fabric, routes))
    except ValueError as error:
        raise InputError(str(error)) from error
