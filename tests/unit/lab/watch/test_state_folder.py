"""A watch that is killed anywhere resumes: at most a cycle is lost, no notification is, none goes out under two ids."""

from dataclasses import replace
from pathlib import Path

import pytest

from shadowlab.errors import InputError
from shadowlab.lab.watch.decide.incidents import Finding, advance
from shadowlab.lab.watch.decide.outbox import delivered, notifications, queued
from shadowlab.lab.watch.folder import StateFolder
from shadowlab.lab.watch.recall import recall_incidents
from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.state import WatchState

_ROOT = Path("/state")
_FAULT = Finding(kind="network", severity="critical", title="a-b", subjects=("a-b",))


class Killed(BaseException):
    """The process is gone."""


class MemoryDisk:
    """Files in memory; the process is killed before operation number ``left``."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {}
        self.left: int | None = None
        self.operations = 0

    def _step(self) -> None:
        self.operations += 1
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1

    def write(self, path: Path, content: bytes) -> None:
        self._step()
        self.files[path] = content

    def remove(self, path: Path) -> None:
        self._step()
        self.files.pop(path, None)

    def read(self, path: Path) -> bytes | None:
        return self.files.get(path)

    def names(self, folder: Path) -> dict[str, int]:
        return {one.name: len(content) for one, content in self.files.items() if one.parent == folder}

    def make(self, folder: Path) -> None:
        return


class World:
    """A network that breaks in cycle 2 and is whole again in cycle 4, a watch of it, and a receiver."""

    def __init__(self) -> None:
        self.disk = MemoryDisk()
        self.received: list[str] = []
        self.calibrations: dict[int, str] = {}

    def folder(self) -> StateFolder:
        return StateFolder(_ROOT, keep_cycles=3, keep_incidents_ns=10**18, keep_bytes=10**9, disk=self.disk)

    def live(self, cycles: int) -> WatchState:
        """From whatever is on the disk to the end of the story."""
        folder = self.folder()
        state = folder.open("w")
        while True:
            for one in state.outbox:  # what is sent is sent, whatever becomes of us
                self.received.append(one.id)
                state = delivered(state, one)
                folder.write_state(state)
            if state.cycle == cycles:
                return state
            state = self.cycle(folder, state)

    def cycle(self, folder: StateFolder, state: WatchState) -> WatchState:
        number = state.cycle + 1
        found = [_FAULT] if number in (2, 3) else []
        advanced = advance(state.open_incidents, found, cycle=number, now_ns=number, resolve_after=1)
        name = f"calibration-{number}.json"
        state = queued(
            replace(state, cycle=number, open_incidents=advanced.open, calibration=name),
            notifications(advanced.news, {"hook": "info"}),
        )
        cycle = Cycle(number=number, began_ns=number, ended_ns=number, status="complete", headline="")
        folder.commit(state, cycle, closed=advanced.closed, named={name: b"{}"}, network=b"{}")
        return state


def _whole() -> World:
    world = World()
    world.live(6)
    return world


def _final(world: World) -> dict[Path, bytes]:
    return {path: content for path, content in world.disk.files.items() if path.name != "map.json"}


@pytest.mark.parametrize("after", range(_whole().disk.operations))
def test_killed_before_any_write_it_ends_as_if_it_had_never_been(after: int) -> None:
    undisturbed = _whole()
    world = World()
    world.disk.left = after
    with pytest.raises(Killed):
        world.live(6)
    world.disk.left = None

    world.live(6)

    assert _final(world) == _final(undisturbed)
    assert set(world.received) == set(undisturbed.received)
    # Killed between the receiver's answer and our noting it, the same id goes out once more; never another id.
    assert len(world.received) - len(set(world.received)) <= 1


def test_what_a_kill_left_of_a_cycle_that_never_was_is_removed() -> None:
    world = _whole()
    state = world.folder().open("w")
    world.disk.files[_ROOT / "cycles" / "00000007.json"] = b"{}"
    world.disk.files[_ROOT / "incidents" / "7-1-network.json"] = b"{}"
    world.disk.files[_ROOT / "calibration-7.json"] = b"{}"

    world.folder().open("w")

    names = {one.name for one in world.disk.files}
    assert not names & {"00000007.json", "7-1-network.json", "calibration-7.json"}
    assert state.calibration in names


def test_retention_keeps_the_newest_cycles_and_forgets_old_incidents() -> None:
    world = World()
    folder = StateFolder(_ROOT, keep_cycles=3, keep_incidents_ns=2, keep_bytes=10**9, disk=world.disk)
    state = folder.open("w")
    for _ in range(9):
        state = world.cycle(folder, state)

    assert sorted(world.disk.names(_ROOT / "cycles")) == [f"0000000{number}.json" for number in (7, 8, 9)]
    assert world.disk.names(_ROOT / "incidents") == {}


def test_a_disk_bound_removes_cycles_first_and_never_the_newest() -> None:
    world = World()
    folder = StateFolder(_ROOT, keep_cycles=99, keep_incidents_ns=10**18, keep_bytes=1, disk=world.disk)
    state = folder.open("w")
    for _ in range(5):
        state = world.cycle(folder, state)

    assert list(world.disk.names(_ROOT / "cycles")) == ["00000005.json"]


def test_the_state_of_another_watch_is_refused(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, keep_cycles=3, keep_incidents_ns=2, keep_bytes=10**9)
    folder.open("one")
    folder.write_state(WatchState(name="one"))

    with pytest.raises(InputError, match="'one', not 'other'"):
        folder.open("other")


def test_incidents_are_read_back_from_a_real_folder_in_the_order_they_were_opened(tmp_path: Path) -> None:
    world = World()
    folder = StateFolder(tmp_path, keep_cycles=3, keep_incidents_ns=10**18, keep_bytes=10**9)
    state = folder.open("w")
    for _ in range(4):
        state = world.cycle(folder, state)

    found = recall_incidents(tmp_path)

    assert [(one.id, one.open) for one in found] == [("2-1-network", False)]
    assert [one.kind for one in found[0].timeline] == ["opened", "resolved"]
