"""The loop: looks at telemetry, begins cycles, commits them, tells the world; ends cleanly, reloads when asked.

In: a watch file, a clock, a place for shadows.  Out: cycles, one after the other.
Never: two cycles at once; a wait that a signal does not end; a decision that ``decide/`` could make.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from shadowlab.detect.registry import DETECTORS
from shadowlab.errors import InputError, ShadowLabError
from shadowlab.lab.execute import Place
from shadowlab.lab.interrupt import Interrupt, Interrupted
from shadowlab.lab.progress import Progress, Silent
from shadowlab.lab.watch.clockwork import Stages
from shadowlab.lab.watch.config import WatchConfig, load_watch
from shadowlab.lab.watch.cycle import CycleRun, Heard, Memory, Outcome
from shadowlab.lab.watch.decide.outbox import delivered, due, failed
from shadowlab.lab.watch.decide.pace import next_cycle
from shadowlab.lab.watch.folder import SCRATCH, Disk, StateFolder
from shadowlab.lab.watch.known import baseline_from, calibration_from, recorded_baseline
from shadowlab.lab.watch.metrics import Counted, families, metrics_text
from shadowlab.lab.watch.notify.interface import Refused, Senders
from shadowlab.lab.watch.otlp.encode import request
from shadowlab.lab.watch.otlp.export import Exporter
from shadowlab.lab.watch.sources import Asker, Follower, Listener, Window
from shadowlab.lab.watch.stages.shadows import Shadows
from shadowlab.lab.watch.stream import Noticed, Stream
from shadowlab.lab.watch.trigger.receiver import Trigger, listening
from shadowlab.model.watch.cycle import Cycle
from shadowlab.model.watch.state import WatchState
from shadowlab.topology.formats import load_map

LEAST_GAP = 4
"""An anomaly begins a cycle early, but not before this part of the usual time has passed since the last began."""
_MOST_ALERTS = 100
_READ_AHEAD = 2
"""Windows' worth of records kept: an early cycle still finds a whole window behind it."""


class WatchClock(Protocol):
    """Moments, and a wait that ends early when something is wanted."""

    def now_ns(self) -> int:
        """Monotonic."""

    def wall_ns(self) -> int:
        """Unix time."""

    def wait(self, until_ns: int) -> None:
        """Until then, on the monotonic clock, or until :meth:`wake`."""

    def wake(self) -> None:
        """From another thread: somebody wants something."""


@dataclass(kw_only=True)
class Wishes:
    """What signals ask for; the loop looks at it."""

    end: bool = False
    reload: bool = False

    def asked(self) -> bool:
        """Whether the cycle under way shall end."""
        return self.end

    def something_to_lose(self) -> None:
        """The wish is only ever noted."""


@dataclass(kw_only=True)
class Said:
    """What the loop says to whoever runs it: lines for a log, states for a service manager."""

    line: Callable[[str], None] = lambda _: None
    manager: Callable[..., object] = lambda *_: None
    cycle: Callable[[Cycle], None] = lambda _: None
    watchdog_ns: int = 0


@dataclass(kw_only=True)
class Loop:
    """``run`` for a number of cycles, or until it is asked to end."""

    config: WatchConfig
    place: Place
    clock: WatchClock
    senders: Senders
    wishes: Wishes = field(default_factory=Wishes)
    said: Said = field(default_factory=Said)
    progress: Progress = field(default_factory=Silent)
    disk: Disk | None = None
    interrupt: Interrupt | None = None
    make_run: Callable[..., CycleRun] = CycleRun
    cycles: int = 0
    reload_faults: int = 0
    _state: WatchState | None = None
    _memory: Memory = field(default_factory=Memory)
    _noticed: list[Noticed] = field(default_factory=list)
    _heard: set[str] = field(default_factory=set)
    _alerts: list[str] = field(default_factory=list)
    _trigger: Trigger | None = None
    _exporter: Exporter | None = None
    _doors: ExitStack = field(default_factory=ExitStack)
    _last_outcome: Cycle | None = None

    # --- from the start to the end ----------------------------------------------------------------------------------

    def run(self, most_cycles: int | None = None) -> WatchState:
        """``most_cycles`` None: until it is asked to end.  Raises InputError for a state folder of another watch, or a
        trigger's address that is taken."""
        with ExitStack() as self._doors:
            self._attend(self.config)
            return self._run(most_cycles)

    def _run(self, most_cycles: int | None) -> WatchState:
        self._open()
        self.said.manager("READY=1", f"STATUS=watching {self.config.name}")
        due_ns = self.clock.now_ns()
        skipped = 0
        while not self.wishes.end and (most_cycles is None or self.cycles < most_cycles):
            early = self._between(due_ns)
            if self.wishes.end:
                break
            began_ns = self.clock.now_ns()
            try:
                self._cycle(skipped, early)
            except Interrupted:
                break
            self.cycles += 1
            due_ns, skipped = next_cycle(began_ns=began_ns, ended_ns=self.clock.now_ns(), every_ns=self.config.every_ns)
            self._began_ns = began_ns
            if skipped:
                self.said.line(f"the cycle took longer than {self.config.every_ns / 1e9:g} s: {skipped} skipped")
        self._tell()
        self.said.manager("STOPPING=1")
        assert self._state is not None
        return self._state

    def _open(self) -> None:
        config = self.config
        self._folder = StateFolder(
            config.state,
            keep_cycles=config.keep_cycles,
            keep_incidents_ns=config.keep_incidents_ns,
            keep_bytes=config.keep_bytes,
            disk=self.disk,
        )
        self._state = self._folder.open(config.name)
        self._began_ns = self.clock.now_ns() - config.every_ns
        self._listen()
        full = load_map(config.scenario.map, options=config.scenario.map_options, format_key=config.scenario.map_format)
        self._memory.calibration = calibration_from(self._folder, self._state.calibration, full)
        self._memory.baseline = baseline_from(self._folder, self._state.baseline)
        if not self._memory.baseline and config.baseline_file is not None:
            self._memory.baseline = recorded_baseline(config.baseline_file)

    def _attend(self, config: WatchConfig) -> None:
        """Alertmanager's webhook and a collector, where the watch file says."""
        if config.otlp is None:
            self._exporter = None
        elif self._exporter is None or self._exporter.config != config.otlp:
            self._exporter = Exporter(config=config.otlp)
        self._trigger = None
        if config.trigger is not None:
            self._trigger = self._doors.enter_context(listening(config.trigger, self.clock.wake))

    def _listen(self) -> None:
        config = self.config
        self._follower: Listener
        if isinstance(config.telemetry, Path):
            self._follower = Follower(kind=config.telemetry_kind, path=config.telemetry)
        else:
            self._follower = Asker(
                source=config.telemetry,
                back_ns=_READ_AHEAD * config.window_ns,
                now_ns=self.clock.now_ns,
                wall_ns=self.clock.wall_ns,
            )
        self._window = Window(length_ns=config.window_ns)
        self._stream = Stream()

    # --- between cycles ---------------------------------------------------------------------------------------------

    def _between(self, due_ns: int) -> str:
        """Waits, looks, tells, until a cycle is due; an anomaly's words if one made it begin early."""
        while not self.wishes.end:
            if self.wishes.reload:
                self._reload()
            self._look()
            self._tell()
            now_ns = self.clock.now_ns()
            self.said.manager("WATCHDOG=1")
            if now_ns >= due_ns:
                return ""
            early_ns = self._began_ns + self.config.every_ns // LEAST_GAP
            if (self._alerts or self._noticed) and self.cycles and now_ns >= early_ns:
                return self._alerts[0] if self._alerts else self._noticed[0].text
            pause_ns = self.config.poll_ns
            if self.said.watchdog_ns:
                pause_ns = min(pause_ns, self.said.watchdog_ns // 2)
            self.clock.wait(min(due_ns, now_ns + pause_ns))
        return ""

    def _look(self) -> None:
        for words in self._trigger.taken() if self._trigger is not None else ():
            self._alerts = [*self._alerts, words][-_MOST_ALERTS:]
            self.said.line(f"told: {words}")
        fault = self._follower.last_fault
        new = list(self._follower.look())
        if self._follower.last_fault != fault:
            self.said.line(f"telemetry: {self._follower.last_fault}")
        if not new:
            return
        self._heard |= {one.instance for one in new}
        self._window.add(iter(new))
        for one in self._stream.observe(new):
            self._noticed.append(one)
            self.said.line(f"noticed: {one.text}")
        del self._noticed[:-100]

    def _reload(self) -> None:
        self.wishes.reload = False
        self.said.manager(*_reloading(self.clock.now_ns()))
        try:
            found = load_watch(self.config.path, known_detectors=frozenset(DETECTORS))
            _unchangeable(self.config, found)
            if (found.trigger, found.otlp) != (self.config.trigger, self.config.otlp):
                self._attend_anew(found)
        except ShadowLabError as error:
            self.reload_faults += 1
            first = str(error).splitlines()[0]
            self.said.line(f"the watch file is wrong, and the old one stays in force: {error}")
            self.said.manager("READY=1", f"STATUS=old watch file in force: {first}")
            return
        old, self.config = self.config, found
        if (old.telemetry, old.telemetry_kind, old.window_ns) != (
            found.telemetry,
            found.telemetry_kind,
            found.window_ns,
        ):
            self._listen()
        self._folder = StateFolder(
            found.state,
            keep_cycles=found.keep_cycles,
            keep_incidents_ns=found.keep_incidents_ns,
            keep_bytes=found.keep_bytes,
            disk=self.disk,
        )
        assert self._state is not None
        self._state = self._folder.open(found.name)
        self.senders = self.senders.of(found.receivers)
        self._memory.normal = None
        self.said.line("the watch file was read again")
        self.said.manager("READY=1", f"STATUS=watching {found.name}")

    def _attend_anew(self, found: WatchConfig) -> None:
        """Raises InputError where it cannot listen; then it listens where it did."""
        self._doors.close()
        try:
            self._attend(found)
        except InputError:
            self._attend(self.config)
            raise

    # --- a cycle ----------------------------------------------------------------------------------------------------

    def _cycle(self, skipped: int, trigger: str) -> None:
        state = self._state
        assert state is not None
        number = state.cycle + 1

        def tell(stage: str) -> None:
            self.said.manager("WATCHDOG=1", f"STATUS=cycle {number}: {stage}")
            self._folder.tell_now({"cycle": number, "stage": stage, "since_ns": self.clock.wall_ns()})

        interrupt = self.interrupt or self.wishes
        stages = Stages(now_ns=self.clock.now_ns, progress=self.progress, interrupt=interrupt, tell=tell)
        outcome = self.make_run(
            self.config,
            state,
            self._memory,
            Heard(
                records=self._window.records,
                newest_ns=self._window.newest_ns,
                news=self._window.newest_ns > state.telemetry_ns,
                heard=frozenset(self._heard),
                noticed=tuple(one.text for one in self._noticed),
                noticed_ns=min((one.onset_ns for one in self._noticed), default=0),
            ),
            shadows=Shadows(
                place=self.place,
                scratch=self.config.state / SCRATCH,
                progress=_Watched(self.progress, lambda: self.said.manager("WATCHDOG=1")),
                interrupt=interrupt,
            ),
            stages=stages,
            wall_ns=self.clock.wall_ns,
            skipped=skipped,
            trigger=trigger or "time",
        ).run()
        self._commit(outcome)
        self._heard, self._noticed, self._alerts = set(), [], []

    def _commit(self, outcome: Outcome) -> None:
        self._folder.commit(
            outcome.state, outcome.cycle, closed=outcome.closed, named=outcome.named, network=outcome.network
        )
        self._state = outcome.state
        self._last_outcome = outcome.cycle
        self._folder.tell_now({"cycle": outcome.cycle.number, "stage": "", "since_ns": self.clock.wall_ns()})
        self._measure()
        self.said.cycle(outcome.cycle)
        self._tell()

    def _measure(self) -> None:
        if self._state is not None and self._last_outcome is not None:
            counted = Counted(
                unreadable=self._follower.unreadable,
                dropped=self._window.dropped,
                reload_faults=self.reload_faults,
                otlp_dropped=self._exporter.dropped if self._exporter is not None else 0,
            )
            self._folder.write_metrics(metrics_text(self._state, self._last_outcome, counted))
            if self._exporter is not None:
                some = families(self._state, self._last_outcome, counted)
                self._exporter.offer(request(some, watch=self.config.name, at_ns=self._last_outcome.ended_ns))

    # --- telling ----------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Everything that is due; each outcome is on the disk before the next is tried."""
        if self._exporter is not None:
            fault = self._exporter.fault
            self._exporter.send(self.clock.now_ns())
            if self._exporter.fault not in ("", fault):
                self.said.line(f"otlp: {self._exporter.fault}")
        state = self._state
        assert state is not None
        broken: set[str] = set()
        for one in due(state.outbox, self.clock.wall_ns()):
            if one.receiver in broken:  # in the order of its news
                continue
            now_ns = self.clock.wall_ns()
            try:
                self.senders.send(one)
                state = delivered(state, one)
            except Refused as error:
                self.said.line(f"{one.receiver} does not take {one.id}: {error}")
                state = failed(state, one, str(error), now_ns=now_ns, for_good=error.for_good)
                if not error.for_good:
                    broken.add(one.receiver)
            self._folder.write_state(state)
            self._state = state


def _reloading(now_ns: int) -> tuple[str, str]:
    from shadowlab.kernel.sockets.service_manager import reloading

    return reloading(now_ns // 1000)


def _unchangeable(old: WatchConfig, new: WatchConfig) -> None:
    """Raises InputError for what only a new start can change."""
    for name in ("name", "state"):
        if getattr(old, name) != getattr(new, name):
            raise InputError(f"{new.path}: `{name}` cannot change while it runs: end the watch and start it again")


@dataclass(frozen=True)
class _Watched:
    """Progress that keeps the watchdog quiet: a shadow that moves is no hang."""

    inner: Progress
    beat: Callable[[], object]

    def stage(self, name: str) -> None:
        self.inner.stage(name)

    def work(self, name: str, fraction: float) -> None:
        self.beat()
        self.inner.work(name, fraction)


def configured(path: Path, state: Path | None = None) -> WatchConfig:
    """The watch file, with another state folder if that is wanted."""
    found = load_watch(path, known_detectors=frozenset(DETECTORS))
    return found if state is None else replace(found, state=state)
