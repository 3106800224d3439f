"""Programs beside a run, on this machine's own clock: what cannot begin is told, nothing outlives the run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from shadowlab.errors import KernelRefusedError
from shadowlab.kernel.loop import Loop
from shadowlab.kernel.programs import Running
from shadowlab.model.traffic.workload import Program
from shadowlab.traffic.programs import Programs

MS = 1_000_000


class Door:
    """Starts programs where the test runs."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []

    def start_program(self, node: str, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> Running:
        if argv[0] == "typo":
            raise KernelRefusedError(tried="start typo in a", errno_name="ENOENT", why="no such file or directory")
        one = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, cwd=folder
        )
        self.started.append(one)
        return Running(one)


def program(name: str, *argv: str, **others: int) -> Program:
    return Program(name=name, node="a", argv=argv, **others)  # type: ignore[arg-type]


def ran(folder: Path, milliseconds: int, *programs: Program) -> tuple[Programs, Door]:
    door = Door()
    with (
        Loop() as loop,
        Programs(loop=loop, door=door, programs=programs, folder=str(folder)) as all_of_them,
    ):
        all_of_them.start(loop.now_ns)
        loop.run_until(loop.now_ns + milliseconds * MS)
    return all_of_them, door


def ended(pid: int) -> bool:
    """Whether a killed process is gone, or a zombie that waits for its reaper; asked until it is."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        os.sched_yield()
    return False


def test_what_cannot_begin_is_told_and_leaves_no_folder(tmp_path: Path) -> None:
    programs, _ = ran(tmp_path, 5, program("nothing", "typo"))
    assert programs.refusals() == ["program nothing: start typo in a: no such file or directory (ENOENT)"]
    summary = programs.summary()["nothing"]
    assert (summary["state"], summary["exit_code"], summary["began_ns"]) == ("refused", None, None)
    assert list((tmp_path / "programs").iterdir()) == []


def test_the_end_of_the_run_ends_a_program_with_its_children(tmp_path: Path) -> None:
    programs, door = ran(tmp_path, 2_000, program("family", "sh", "-c", "sleep 77 & echo $!; wait"))
    child = int((tmp_path / "programs/family.txt").read_text())
    assert door.started[0].returncode == -signal.SIGKILL
    assert programs.summary()["family"]["stopped"] is True
    assert ended(child), "the kernel ends a killed process when it next runs"
    assert len(os.listdir("/proc/self/fd")) < 100


def test_a_program_that_closes_its_output_works_on_and_may_leave_files(tmp_path: Path) -> None:
    work = "echo one; exec >&- 2>&-; echo two > kept; exit 7"
    programs, _ = ran(tmp_path, 2_000, program("closes", "sh", "-c", work))
    assert programs.summary()["closes"]["exit_code"] == 7
    assert (tmp_path / "programs/closes.txt").read_text() == "one\n"
    assert (tmp_path / "programs/closes/kept").read_text() == "two\n"
