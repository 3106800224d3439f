"""Where labs keep what they know of themselves, and who may change it.

In: names, the environment (``SHADOWLAB_STATE``, ``XDG_STATE_HOME``).  Out: folders ``labs/NAME``, locks.
Never: a wait for somebody who is changing the same lab: that is an error, said at once.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shadowlab.errors import CannotRunError, InputError, ShadowFailedError
from shadowlab.guest.resident.door import ALIVE, CONFINED, DOOR, LOG, ORDER
from shadowlab.shadow.ledger import LEDGER_FILE

HOSTS_FILE, GUEST_FOLDER, LOCK_FILE = "hosts", "guest", "lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_OURS = (DOOR, ALIVE, ORDER, LOG, CONFINED)


def labs_folder() -> Path:
    """The folder of all labs of this user.  Nothing is created."""
    if chosen := os.environ.get("SHADOWLAB_STATE"):
        return Path(chosen).absolute() / "labs"
    base = os.environ.get("XDG_STATE_HOME") or ""
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state") / "shadowlab" / "labs"


def boot_id() -> str:
    """Of the host's kernel: namespaces of an earlier boot are gone."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@contextmanager
def all_labs_lock() -> Iterator[Path]:
    """While labs come and go: short, so the second waits."""
    folder = labs_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRunError(f"the folder of labs {folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(fd)


@dataclass(frozen=True)
class LabFolder:
    """The folder of one lab."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{self.name!r} is not a name for a lab: 1 to 40 letters, digits, '.', '_', '-', beginning with "
                "a letter or digit"
            )

    @property
    def path(self) -> Path:
        return labs_folder() / self.name

    @property
    def exists(self) -> bool:
        return self.path.is_dir()

    def make(self) -> None:
        """Called under the lock of all labs.  Raises InputError if there is one of that name."""
        try:
            self.path.mkdir(mode=0o700)
        except FileExistsError:
            raise InputError(
                f"there is a lab {self.name} already: 'shadowlab status {self.name}' shows it, "
                f"'shadowlab down {self.name}' takes it down"
            ) from None
        except OSError as error:
            raise CannotRunError(f"the lab's folder {self.path} cannot be made: {error.strerror}") from error

    @contextmanager
    def lock(self, *, shared: bool = False) -> Iterator[None]:
        """While a lab is changed (or, shared, while a program is started in it)."""
        try:
            fd = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            raise InputError(f"there is no lab {self.name}; 'shadowlab list' shows those there are") from None
        except OSError as error:
            raise CannotRunError(f"lab {self.name}: its lock cannot be taken: {error.strerror}") from error
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise BusyError(f"lab {self.name}: another command is building, changing or removing it") from None
        try:
            yield
        finally:
            os.close(fd)

    def remove(self) -> None:
        """The ledger goes last: as long as there is one, whoever finds it can finish.  Called with everything gone."""
        control = self.path / GUEST_FOLDER
        if control.is_dir():
            _remove_tree(control)
        for name in (*_OURS, LEDGER_FILE, LOCK_FILE):
            with suppress(FileNotFoundError):
                (self.path / name).unlink()
        try:
            self.path.rmdir()
        except OSError as error:
            left = ", ".join(sorted(file.name for file in self.path.iterdir()))
            raise ShadowFailedError(f"the lab's folder {self.path} holds files that are not ours: {left}") from error


def _remove_tree(top: Path) -> None:
    """With whatever programs of the lab made there, folders that they closed to us included; links are not followed."""
    for folder, below, _ in os.walk(top):
        for name in below:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                with suppress(OSError):  # somebody else's: then it cannot be removed, and that is told
                    os.chmod(path, 0o700)
    try:
        shutil.rmtree(top)
    except OSError as error:
        raise ShadowFailedError(f"{error.filename or top}: cannot be removed: {error.strerror}") from error


class BusyError(ShadowFailedError):
    """Somebody else is changing the lab."""


def lab_names() -> tuple[str, ...]:
    """Every lab that has a folder."""
    try:
        entries = sorted(os.listdir(labs_folder()))
    except FileNotFoundError:
        return ()
    return tuple(name for name in entries if _NAME.fullmatch(name) and (labs_folder() / name).is_dir())


def only_name(name: str | None) -> str:
    """The lab meant: the one named, else the only one there is."""
    if name is not None:
        if not LabFolder(name).exists:
            known = ", ".join(lab_names()) or "none"
            raise InputError(f"there is no lab {name}; there are: {known}")
        return name
    names = lab_names()
    if len(names) != 1:
        raise InputError(f"name the lab, for there are several: {', '.join(names)}" if names else "there is no lab")
    return names[0]
