"""The live display: lines and bars on a terminal, silence in a pipe, and nothing that a name could break."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading

PROGRAM = """
import sys
from shadowlab.cli.progress import shown_progress
with shown_progress(quiet={quiet}) as progress:
    progress.stage("read [bold]everything[/bold]")
    progress.stage("try cures")
    progress.work("[/] fix", 0.5)
    progress.work("stage", 1.0)
    {end}
print("result")
"""


def on_terminal(*, quiet: bool = False, end: str = "pass") -> tuple[int, str, str]:
    """Exit code, stdout, and what stood on the terminal that stderr was, without colours and movements."""
    mine, theirs = pty.openpty()
    shown = bytearray()

    def watch() -> None:
        while True:
            try:
                shown.extend(os.read(mine, 4096))
            except OSError:  # the last writer closed it
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(quiet=quiet, end=end)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    watcher.join()
    os.close(mine)
    return done.returncode, done.stdout, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_every_stage_that_is_done_leaves_its_line_and_its_time() -> None:
    code, stdout, shown = on_terminal()

    assert (code, stdout) == (0, "result\n")
    assert re.search(r"✓ read \[bold\]everything\[/bold\] \d+\.\d s", shown)
    assert re.search(r"✓ try cures \d+\.\d s", shown)


def test_names_are_shown_as_they_are() -> None:
    _, _, shown = on_terminal()

    assert "  [/] fix" in shown
    assert "  stage" in shown


def test_a_stage_that_failed_gets_no_tick() -> None:
    code, _, shown = on_terminal(end="raise SystemExit(4)")

    assert code == 4
    assert "✓ read" in shown
    assert "✓ try cures" not in shown


def test_quiet_is_quiet() -> None:
    assert on_terminal(quiet=True) == (0, "result\n", "")


def test_a_pipe_gets_no_display() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(quiet=False, end="pass")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "result\n", "")
