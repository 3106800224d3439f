"""The loop, with all real but the kernel and the hours: a fault comes and goes, the watch file changes, it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.soaked.world import FastClock, Production, pretended_run, write_map, write_world
from shadowlab.lab.execute import Place
from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.loop import Loop, Said, Wishes, configured
from shadowlab.lab.watch.notify.interface import Refused, Senders
from shadowlab.lab.watch.recall import recall_incidents
from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.incident import Notification

_NOWHERE = Place(kind="embedded", clock="virtual", kernel=None)


class Story:
    """A loop over the pretended world, and all it said."""

    def __init__(self, folder: Path, *, broken: Callable[[int], bool] = lambda _: False, refuse: int = 0) -> None:
        self.path = write_world(folder)
        self.folder = folder
        self.received: list[Notification] = []
        self.lines: list[str] = []
        self.states: list[str] = []
        self.cycles: list[Cycle] = []
        self._refuse = refuse
        self.at: dict[int, Callable[[], None]] = {}
        """Something that happens at the first wait after so many seconds."""
        self._production = Production(folder / "live.jsonl", broken)
        self.wishes = Wishes()
        self.clock = FastClock(self._tick)

    def _tick(self, now_s: int) -> None:
        self._production(now_s)
        for moment in [one for one in self.at if one <= now_s]:
            self.at.pop(moment)()

    def _send(self, one: Notification, receiver: ReceiverConfig) -> None:
        if self._refuse:
            self._refuse -= 1
            raise Refused("not now")
        self.received.append(one)

    def loop(self) -> Loop:
        config = configured(self.path)
        senders = Senders(kinds=lambda: {"webhook": self._send, "syslog": self._send, "alertmanager": self._send})
        return Loop(
            config=config,
            place=_NOWHERE,
            clock=self.clock,
            senders=senders.of(config.receivers),
            wishes=self.wishes,
            said=Said(line=self.lines.append, manager=lambda *some: self.states.extend(some), cycle=self.cycles.append),
            make_run=pretended_run,
        )


def test_a_fault_is_opened_told_placed_and_resolved_and_the_calm_around_it_is_calm(tmp_path: Path) -> None:
    story = Story(tmp_path, broken=lambda s: 400 <= s < 800)

    story.loop().run(20)

    found = recall_incidents(tmp_path / "watch")
    assert [one.kind for one in found] == ["network"]
    assert found[0].domain is not None
    assert found[0].domain.links == ("r-s",)
    assert found[0].resolved_ns is not None
    kinds = [one.kind for one in found[0].timeline if one.kind != "updated"]
    assert [one for one in kinds if one != "localised"] in (["detected", "opened", "resolved"], ["opened", "resolved"])
    assert {one.event for one in story.received} >= {"opened", "localised", "resolved"}
    assert story.cycles[0].status == "learning"
    assert {one.verdict for one in story.cycles[1:5]} == {"confirmed"}
    assert any("segments sent again" in one for one in story.lines)


def _everywhere_later(now_s: int, text: str) -> str:
    """From 400 s on every round trip takes 20 ms more."""
    lines = [json.loads(line) for line in text.splitlines()]
    for one in lines if now_s >= 400 else ():
        one["srtt_ns"] += 20_000_000
    return "".join(f"{json.dumps(one)}\n" for one in lines)


def test_a_fault_that_strikes_every_path_at_once_is_an_incident_of_the_network(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story._production = Production(tmp_path / "live.jsonl", changed=_everywhere_later)

    state = story.loop().run(12)

    assert {one.verdict for one in story.cycles[1:5]} == {"confirmed"}
    assert [one.kind for one in state.open_incidents] == ["network"]
    assert "8 of 8 paths" in state.open_incidents[0].title


def test_what_a_receiver_refuses_is_sent_once_it_takes_it_and_nothing_twice(tmp_path: Path) -> None:
    story = Story(tmp_path, broken=lambda s: s >= 400, refuse=5)

    state = story.loop().run(15)

    ids = [one.id for one in story.received]
    assert ids and len(ids) == len(set(ids))
    assert state.outbox == ()


def test_without_news_a_cycle_says_so_and_in_the_end_it_is_an_incident(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.clock.tick = None

    state = story.loop().run(5)

    assert [one.status for one in story.cycles] == ["learning", "no news", "no news", "no news", "no news"]
    assert [one.kind for one in state.open_incidents] == ["telemetry"]


def test_an_instance_that_appears_on_the_map_is_a_change_and_no_fault(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.at[200] = lambda: write_map(tmp_path / "map.yaml", more=("e",))

    state = story.loop().run(8)

    told = [(one.instance, one.kind) for cycle in story.cycles for one in cycle.changes]
    assert told == [("e", "appeared")]
    assert state.open_incidents == ()


def test_a_wrong_watch_file_on_reload_leaves_the_old_one_in_force_and_says_so(tmp_path: Path) -> None:
    story = Story(tmp_path)

    def spoil() -> None:
        story.path.write_text(story.path.read_text().replace("every: 60 s", "every: soon"))
        story.wishes.reload = True

    story.at[150] = spoil
    story.loop().run(6)

    assert any("watch.yaml:5:8" in one and "old one stays in force" in one for one in story.lines)
    assert "RELOADING=1" in story.states
    assert len(story.cycles) == 6


def test_a_right_one_is_taken_up(tmp_path: Path) -> None:
    story = Story(tmp_path)

    def change() -> None:
        story.path.write_text(story.path.read_text().replace("every: 60 s", "every: 300 s"))
        story.wishes.reload = True

    story.at[150] = change
    loop = story.loop()
    loop.run(6)

    assert loop.config.every_ns == 300 * 10**9
    assert (story.cycles[-1].began_ns - story.cycles[-2].began_ns) == 300 * 10**9


def test_it_ends_when_it_is_asked_to_and_tells_the_service_manager(tmp_path: Path) -> None:
    story = Story(tmp_path)

    def end() -> None:
        story.wishes.end = True

    story.at[130] = end
    story.loop().run()

    assert len(story.cycles) == 3
    assert story.states[0] == "READY=1"
    assert story.states[-1] == "STOPPING=1"
    assert "WATCHDOG=1" in story.states


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    first = Story(tmp_path)
    first.loop().run(3)
    again = Story.__new__(Story)
    again.__dict__.update(first.__dict__)
    again.cycles = []

    again.loop().run(2)

    assert [one.number for one in again.cycles] == [4, 5]
    assert "learning" not in {one.status for one in again.cycles}


_CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
sys.path.insert(0, {here!r})
from test_watch_loop import Story
story = Story(Path({folder!r}), broken=lambda s: s >= 400) if not Path({folder!r}, "watch").exists() else None
if story is None:
    story = Story(Path({folder!r}), broken=lambda s: True)
log = open({log!r}, "a", buffering=1)
class Said(list):
    def append(self, one):
        log.write(one.id + "\\n")
story.received = Said()
class Cycles(list):
    def append(self, one):
        print("cycle", flush=True)
story.cycles = Cycles()
story.loop().run({cycles})
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 4, 8])
def test_killed_by_the_kernel_it_loses_a_cycle_at_most_and_no_notification(tmp_path: Path, after: int) -> None:
    root, here, log = Path(__file__).parents[4], Path(__file__).parent, tmp_path / "received"
    words = {"root": str(root), "here": str(here), "folder": str(tmp_path), "log": str(log)}
    child = subprocess.Popen([sys.executable, "-c", _CHILD.format(**words, cycles=10**6)], stdout=subprocess.PIPE)
    state = tmp_path / "watch" / "state.json"
    try:
        assert child.stdout is not None
        for _ in range(after):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    finally:
        child.wait()
        child.stdout.close()  # type: ignore[union-attr]
    before = _cycle(state)

    subprocess.run([sys.executable, "-c", _CHILD.format(**words, cycles=12)], check=True, stdout=subprocess.DEVNULL)

    whole = json.loads(state.read_text())
    ids = log.read_text().split()
    assert whole["cycle"] == before + 12
    assert whole["outbox"] == []
    assert len(ids) - len(set(ids)) <= 1
    told = {
        f"{one.id}:{number}:hook"
        for one in recall_incidents(tmp_path / "watch")
        for number, entry in enumerate(one.timeline, 1)
        if entry.kind != "detected"
    }
    assert told <= set(ids)


def _cycle(state: Path) -> int:
    try:
        return int(json.loads(state.read_text())["cycle"])
    except (OSError, ValueError):
        return 0
