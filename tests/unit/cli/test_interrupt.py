"""Ctrl-C and SIGTERM, in every state of the program, in a process of their own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, time
from shadowlab.cli.interrupt import Interrupt, Unwind
interrupt = Interrupt()
interrupt.install()
me, number = os.getpid(), getattr(signal, sys.argv[1])
{body}
"""


def run(body: str, number: str = "SIGINT", **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body), number],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=options.get("stderr", subprocess.PIPE),  # type: ignore[call-overload]
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_the_first_signal_unwinds_and_the_next_leave_the_cleaning_up_alone(number: str) -> None:
    done = run(
        "try:\n    os.kill(me, number); time.sleep(9)\n"
        "except Unwind:\n    os.kill(me, number); os.kill(me, signal.SIGTERM); print('clean', interrupt.asked())",
        number,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "clean True\n", "")


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_with_nothing_to_lose_a_signal_ends_the_program_at_once(number: str) -> None:
    done = run("interrupt.nothing_to_lose()\nos.kill(me, number)\nprint('went on', flush=True)", number)

    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "shadowlab: interrupted; nothing was left behind\n"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_with_something_to_lose_a_signal_is_only_noted(number: str) -> None:
    done = run("interrupt.something_to_lose()\nos.kill(me, number)\nprint(interrupt.asked())", number)

    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_signal_noted_too_late_ends_the_program_with_what_is_true_by_then() -> None:
    done = run(
        "interrupt.something_to_lose()\nos.kill(me, number)\ninterrupt.nothing_to_lose('the run is complete in x')"
    )

    assert (done.returncode, done.stderr) == (130, "shadowlab: interrupted; the run is complete in x\n")


def test_no_signal_changes_an_exit_code_that_is_decided() -> None:
    done = run("interrupt.ignore()\nos.kill(me, number)\nos.kill(me, signal.SIGTERM)\nsys.exit(7)")

    assert (done.returncode, done.stderr) == (7, "")


def test_who_was_started_deaf_stays_deaf() -> None:
    done = run(
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\nInterrupt().install()\nos.kill(me, number)\nprint('went on')"
    )

    assert (done.returncode, done.stdout) == (0, "went on\n")


def test_on_a_terminal_the_progress_display_is_wiped_and_the_cursor_comes_back() -> None:
    mine, theirs = pty.openpty()
    try:
        done = run("interrupt.nothing_to_lose()\nos.kill(me, number)", stderr=theirs)
        shown = os.read(mine, 1000).decode()
    finally:
        os.close(mine)
        os.close(theirs)

    assert done.returncode == 130
    assert shown == "\r\x1b[K\x1b[?25hshadowlab: interrupted; nothing was left behind\r\n"
