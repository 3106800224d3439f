"""What a lab is about to do, on disk before it is done.

In: records.  Out: a file of JSON lines, each with its number and a checksum over itself and all before it, on the disk
when the call returns.  Never: a record changed or taken back; never a record accepted that is not the one written.

A last line that was cut short is no record: whoever wrote it was stopped before it acted on it.  Anything else that
does not read as it was written is damage, and nothing is built on a damaged ledger.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import CannotRunError, ShadowFailedError
from shadowlab.model.network import Network
from shadowlab.model.plain import from_plain, to_plain
from shadowlab.shadow.ops import CreateLink, CreateNode, ImpairIngress, Op
from shadowlab.shadow.shape import EMPTY, Shape, shape_of

LEDGER_FILE = "ledger"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The first record.  ``boot`` is the boot of the host's kernel: namespaces do not outlive it."""

    lab: str
    name: str
    kernel: str
    boot: str
    map: str
    at_ns: int


@dataclass(frozen=True, kw_only=True)
class Intent:
    """Operations about to be executed, and the network as it will be."""

    ops: tuple[Op, ...]
    network: Network
    reason: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """The last intent was carried out whole."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The last intent was given up."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """The lab is being torn down; nothing is built any more."""


Record = Begun | Intent | Done | Failed | Leaving


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the records amount to."""

    begun: Begun
    shape: Shape
    """After every intent that was carried out."""
    network: Network | None
    open: Intent | None
    """An intent that was begun and not finished: each of its operations may have happened or not."""
    why: str
    leaving: bool
    nodes: tuple[str, ...]
    """Every node that any intent was to make."""
    next_ifindex: int
    """For the open intent, or for the next: the first number that none before it can have given."""

    @property
    def whole(self) -> bool:
        """Built, and neither being changed nor torn down."""
        return self.network is not None and self.open is None and not self.leaving


def account(records: Sequence[Record], *, first_ifindex: int) -> Account | None:
    """The sum of the records; None if there is none."""
    if not records or not isinstance(records[0], Begun):
        return None
    shape, network, opened, why, leaving = EMPTY, None, None, "", False
    nodes: dict[str, None] = {}
    interfaces = made = 0
    for record in records[1:]:
        match record:
            case Intent():
                opened, why = record, ""
                nodes |= {op.node: None for op in record.ops if isinstance(op, CreateNode)}
                interfaces += made  # those of the intent before; this one's are numbered from there
                made = sum(map(_interfaces_of, record.ops))
            case Done() if opened is not None:
                interfaces, made = interfaces + made, 0
                shape, network, opened = shape_of(opened.ops, shape), opened.network, None
            case Failed():
                why = record.why
            case Leaving():
                leaving = True
            case _:
                pass
    return Account(
        begun=records[0],
        shape=shape,
        network=network,
        open=opened,
        why=why,
        leaving=leaving,
        nodes=tuple(nodes),
        next_ifindex=first_ifindex + interfaces,
    )


def _interfaces_of(op: Op) -> int:
    """How many interfaces an operation makes: a veth's ends, an IFB, a segment's bridge."""
    if isinstance(op, CreateNode):
        return int(op.bridges)
    return 2 * isinstance(op, CreateLink) + isinstance(op, ImpairIngress)


def _line(number: int, before: str, record: Record) -> tuple[str, str]:
    body = json.dumps(to_plain(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    seal = hashlib.sha256(f"{number}\n{before}\n{body}".encode()).hexdigest()[:32]
    return f'{{"n":{number},"seal":"{seal}","record":{body}}}\n', seal


class Ledger:
    """The ledger of one lab, in its folder.  Whoever appends holds the lab's lock; threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER_FILE
        self._one_at_a_time = threading.Lock()  # where the next record goes must not be from before the last one
        self._seal = ""
        self._count = 0
        self._length = 0

    def read(self) -> tuple[Record, ...]:
        """Every record; none if there is no ledger.  Raises ShadowFailedError for a damaged one."""
        with self._one_at_a_time:
            return self._read()

    def _read(self) -> tuple[Record, ...]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise CannotRunError(f"the ledger {self.path} cannot be read: {error.strerror}") from error
        self._seal, self._count, self._length = "", 0, 0
        records: list[Record] = []
        lines = content.split(b"\n")
        for number, line in enumerate(lines[:-1]):  # the last is empty, or was cut short
            records.append(self._parse(line, number))
        return tuple(records)

    def _parse(self, line: bytes, number: int) -> Record:
        try:
            stored = json.loads(line)
            record: Record = from_plain(Record, stored["record"])
            text, seal = _line(number, self._seal, record)
            if stored["seal"] != seal or text.encode() != line + b"\n":
                raise ValueError("it does not match its seal")
        except (ValueError, KeyError, TypeError) as error:
            raise ShadowFailedError(
                f"the ledger {self.path} is damaged in line {number + 1} ({error}); nothing is built or removed by it. "
                "Restore the file, or remove the lab's objects by hand ('ip netns') and then its folder"
            ) from error
        self._seal, self._count, self._length = seal, number + 1, self._length + len(line) + 1
        return record

    def append(self, record: Record) -> None:
        """Write one record to the disk.  Raises CannotRunError, and leaves the ledger as it was, if that fails."""
        with self._one_at_a_time:
            self._append(record)

    def _append(self, record: Record) -> None:
        text, seal = _line(self._count, self._seal, record)
        payload = text.encode()
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.ftruncate(fd, self._length)  # what was cut short before
                os.lseek(fd, self._length, os.SEEK_SET)
                self._write(fd, payload)
            finally:
                os.close(fd)
            if self._count == 0:
                folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        except OSError as error:
            reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
            raise CannotRunError(
                f"the ledger {self.path} cannot be written: {reason}; what was to follow was not begun"
            ) from error
        self._seal, self._count, self._length = seal, self._count + 1, self._length + len(payload)

    def _write(self, fd: int, payload: bytes) -> None:
        try:
            left = payload
            while left:
                left = left[os.write(fd, left) :]
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, self._length)
            raise
