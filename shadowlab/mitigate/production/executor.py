"""Execute a cure on production, watch the service level, and take the cure back if that does not recover.

In: a plan, its approval, the log.  Out: how it ended; every command in the log before it runs, with what it said after.
Never: a step whose way back is not in the log; a command beyond its time limit; a second execution while one of
before has not been taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from shadowlab.errors import InputError, KernelRefusedError, ShadowLabError
from shadowlab.kernel.ports import ScriptOutcome
from shadowlab.mitigate.production.form import Executor
from shadowlab.mitigate.production.journal import End, Execution, Journal, dry_run, open_breaker, unfinished
from shadowlab.mitigate.production.steps import Plan
from shadowlab.model.plain import to_plain
from shadowlab.model.units import format_duration

_KEPT_OUTPUT = 2000
"""So many characters of what a command printed stand in the log."""


class Run(Protocol):
    """As :func:`shadowlab.kernel.children.run`."""

    def __call__(
        self, argv: tuple[str, ...], environment: Mapping[str, str], timeout_ns: int, text: str, name: str
    ) -> ScriptOutcome: ...


@dataclass(frozen=True, kw_only=True)
class World:
    """What is outside: who asks, a program's start, the clocks, a wait, whether somebody wants this to end."""

    user: str
    run: Run
    wall_ns: Callable[[], int]
    now_ns: Callable[[], int]
    wait: Callable[[int], None]
    asked: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = lambda words: None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How it ended, and why."""

    end: End
    why: str


class Production:
    """The executor, with its log open."""

    def __init__(self, config: Executor, journal: Journal, world: World) -> None:
        self._config = config
        self._journal = journal
        self._world = world
        self._backing = False
        self._unwritten: ShadowLabError | None = None

    def look(self, plan: Plan) -> None:
        """Note a dry run: an approval is of one that somebody has made."""
        self._note("dry run", digest=plan.digest, run=plan.run, cure=plan.cure)

    def execute(self, plan: Plan, approved: str) -> Ended:
        """Raises InputError if it must not be: not switched on, not approved, the breaker open, something unfinished.

        ``approved`` is the digest that was approved.
        """
        config, world, entries = self._config, self._world, self._journal.entries
        if not config.enabled:
            raise InputError("the executor is switched off: `enabled` is not true")
        left = unfinished(entries)
        if left:
            raise InputError(
                f"{left[0].plan.cure} of {left[0].plan.run} is still to be taken back: --recover does that"
            )
        if approved != plan.digest:
            raise InputError(
                f"{approved} is not the digest of these commands, which is {plan.digest}: look at them again"
            )
        seen = dry_run(entries, plan.digest, config.dry_run_valid_ns, world.wall_ns())
        if seen is None:
            raise InputError(
                f"nobody has made a dry run of {plan.digest} within {format_duration(config.dry_run_valid_ns)}"
            )
        refusal = self._refusal(str(seen.get("user")))
        if refusal:
            self._note("refused", digest=plan.digest, why=refusal)
            raise InputError(refusal)
        name = f"{world.wall_ns():x}-{plan.digest}"
        self._note("begun", id=name, digest=plan.digest, plan=to_plain(plan))
        return self._carry_out(name, plan)

    def recover(self) -> list[Ended]:
        """Take back what nobody has ended, the last first: whoever ran it died, or its way back failed."""
        return [self._take_back(one, "it was left unfinished") for one in reversed(unfinished(self._journal.entries))]

    def _refusal(self, looked: str) -> str:
        config, user = self._config, self._world.user
        if user not in config.approvers:
            return f"{user} is none of the approvers: {', '.join(config.approvers)}"
        if config.four_eyes and looked == user:
            return f"{user} made the dry run: another approver is needed"
        opened = open_breaker(self._journal.entries, config.breaker, self._world.wall_ns())
        return f"the circuit breaker is open: {opened}" if opened else ""

    def _carry_out(self, name: str, plan: Plan) -> Ended:
        at_ns, started = self._world.wall_ns(), list[int]()
        try:
            why = self._do(name, plan, started) or self._watch(name)
        except BaseException as error:  # whatever it is, what was begun does not stay
            self._take_back(Execution(id=name, at_ns=at_ns, plan=plan, started=tuple(started)), f"it failed: {error}")
            raise
        if why:
            return self._take_back(Execution(id=name, at_ns=at_ns, plan=plan, started=tuple(started)), why)
        self._note("kept", id=name)
        return Ended(end="kept", why=f"the service level held {self._config.level.in_a_row} times in a row")

    def _do(self, name: str, plan: Plan, started: list[int]) -> str:
        """Why it must be taken back already; empty if every step was done.  ``started`` gets the steps begun."""
        for index, step in enumerate(plan.steps):
            if self._world.asked():
                return "it was interrupted"
            started.append(index)
            failed = self._command("do", name, index, step.words, step.do, step.do_input)
            if failed:
                return f"{step.words}: {failed}"
        return ""

    def _watch(self, name: str) -> str:
        """Why the action must go; empty if it may stay."""
        level, world = self._config.level, self._world
        give_up_ns = world.now_ns() + level.within_ns
        row = 0
        while True:
            world.wait(max(0, min(level.every_ns, give_up_ns - world.now_ns())))
            if world.asked():
                return "it was interrupted"
            limit_ns = min(self._config.time_limit_ns, max(1, give_up_ns - world.now_ns()))
            failed = self._run(level.command, "", limit_ns, "ask the service level")
            row = 0 if failed else row + 1
            self._note("level", id=name, holds=not failed, why=failed)
            if row >= level.in_a_row:
                return ""
            if world.now_ns() >= give_up_ns:
                return f"the service level did not recover within {format_duration(level.within_ns)}"

    def _take_back(self, one: Execution, why: str) -> Ended:
        """Every step that was begun, the last first, whatever comes of the others, and of the log: what cannot be
        written there is told at the end, when everything is back that could be."""
        self._unwritten = None
        self._backing = True
        try:
            ended = self._back(one, why)
        finally:
            self._backing = False
        if self._unwritten is not None:
            raise self._unwritten
        return ended

    def _back(self, one: Execution, why: str) -> Ended:
        self._note("taking back", id=one.id, why=why)
        self._world.say(f"taking back {one.plan.cure}: {why}")
        failures = []
        for index in reversed(dict.fromkeys(one.started)):
            step = one.plan.steps[index]
            failed = self._command("back", one.id, index, step.words, step.back, step.back_input)
            if failed:
                failures.append(f"{step.words}: {failed}")
        end: End = "stuck" if failures else "taken back"
        told = "; ".join([why, *(f"could not be taken back: {words}" for words in failures)])
        self._note(end, id=one.id, why=told)
        return Ended(end=end, why=told)

    def _command(self, what: str, name: str, step: int, words: str, argv: tuple[str, ...], text: str) -> str:
        self._note(what, id=name, step=step, argv=list(argv))
        self._world.say(f"{'take back ' if what == 'back' else ''}{words}")
        outcome: list[ScriptOutcome] = []
        failed = self._run(argv, text, self._config.time_limit_ns, words, outcome)
        output = outcome[0].output[:_KEPT_OUTPUT] if outcome else ""
        self._note(f"{what} ended", id=name, step=step, failed=failed, output=output)
        return failed

    def _run(
        self, argv: tuple[str, ...], text: str, limit_ns: int, words: str, kept: list[ScriptOutcome] | None = None
    ) -> str:
        try:
            outcome = self._world.run(argv, self._config.environment, limit_ns, text, words)
        except KernelRefusedError as error:
            return str(error)
        if kept is not None:
            kept.append(outcome)
        if outcome.timed_out:
            return f"stopped after {format_duration(limit_ns)}"
        return f"exit code {outcome.exit_code}" if outcome.exit_code else ""

    def _note(self, what: str, **more: Any) -> None:
        try:
            self._journal.write({"at_ns": self._world.wall_ns(), "user": self._world.user, "what": what, **more})
        except ShadowLabError as error:
            if not self._backing:
                raise
            self._unwritten = error
