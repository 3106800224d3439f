"""``shadowlab mitigate --execute``: the dry run, the approved execution, and what was left by one that was killed."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import time
from pathlib import Path

import click

from shadowlab.cli.interrupt import Interrupt
from shadowlab.errors import EXIT_LEVELS_BROKEN
from shadowlab.kernel import children, clock
from shadowlab.mitigate.export.subject import Subject, one_line
from shadowlab.mitigate.production.executor import Ended, Production, World
from shadowlab.mitigate.production.form import Executor, read_executor
from shadowlab.mitigate.production.journal import Journal
from shadowlab.mitigate.production.steps import Plan, plan
from shadowlab.model.plain import to_plain
from shadowlab.model.units import NS_PER_S, format_duration


def carry_out(subject: Subject, file: Path, digest: str | None, interrupt: Interrupt, *, as_json: bool) -> None:
    """A dry run, or with a digest the execution: exit code 0 if the cure stays, 1 if it was taken back."""
    config = read_executor(file)
    made = plan(subject, config)
    with Journal(config.audit) as journal:
        _tell_torn(journal)
        production = Production(config, journal, _world(interrupt))
        if digest is None:
            production.look(made)
            _show(made, config, file, as_json=as_json)
            return
        interrupt.something_to_lose()
        ended = production.execute(made, digest)
    _end([ended], as_json=as_json)


def take_back(file: Path, interrupt: Interrupt, *, as_json: bool) -> None:
    """What is not ended in the log.  Exit code 0 if nothing of it is left."""
    config = read_executor(file)
    interrupt.something_to_lose()
    with Journal(config.audit) as journal:
        _tell_torn(journal)
        ended = Production(config, journal, _world(interrupt)).recover()
    if not ended and not as_json:
        click.echo("nothing is left to be taken back")
    _end(ended, as_json=as_json, good="taken back")


def _world(interrupt: Interrupt) -> World:
    def wait(ns: int) -> None:
        time.sleep(ns / NS_PER_S)

    return World(
        user=pwd.getpwuid(os.getuid()).pw_name,
        run=children.run,
        wall_ns=clock.KernelClock().wall_ns,
        now_ns=clock.now_ns,
        wait=wait,
        asked=interrupt.asked,
        say=lambda words: click.echo(one_line(words), err=True),
    )


def _tell_torn(journal: Journal) -> None:
    if journal.torn:
        click.echo(f"{journal.torn} lines of the log cannot be read, and are passed over", err=True)


def _show(made: Plan, config: Executor, file: Path, *, as_json: bool) -> None:
    if as_json:
        document = {"digest": made.digest, "enabled": config.enabled, "plan": to_plain(made)}
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    level = config.level
    click.echo(f"{one_line(made.cure)}: a dry run, nothing is executed")
    for step in made.steps:
        click.echo(f"  do    {shlex.join(step.do)}")
    click.echo(
        f"  then  {shlex.join(level.command)}  every {format_duration(level.every_ns)}, to hold {level.in_a_row} times "
        f"within {format_duration(level.within_ns)}; else"
    )
    for step in reversed(made.steps):
        click.echo(f"  back  {shlex.join(step.back)}")
    if config.enabled:
        valid = format_duration(config.dry_run_valid_ns)
        click.echo(f"to execute this within {valid}: --execute {shlex.quote(str(file))} --approve {made.digest}")
    else:
        click.echo(f"switched off: `enabled` is not true in {file}")


def _end(ended: list[Ended], *, as_json: bool, good: str = "kept") -> None:
    if as_json:
        click.echo(json.dumps([{"end": one.end, "why": one.why} for one in ended], ensure_ascii=False, indent=2))
    else:
        for one in ended:
            click.echo(f"{one.end}: {one_line(one.why)}")
    if any(one.end != good for one in ended):
        click.get_current_context().exit(EXIT_LEVELS_BROKEN)
