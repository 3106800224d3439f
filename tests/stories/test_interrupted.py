"""A run that is ended early, at any moment and by any means, leaves nothing: no process, no file, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from user_command import assert_nothing_left, ended, processes_of, run, shared_memory, small_scenario, start, until

pytestmark = [pytest.mark.story, pytest.mark.guest]

Run = subprocess.Popen[str]
Moment = Callable[[Run, Path], bool]

INTERRUPTED = (130, "", "shadowlab: interrupted; nothing was left behind\n")


def importing(process: Run, folder: Path) -> bool:
    """In the middle of its libraries, which are C code here and there: the place where an exception gets lost."""
    return "_multiarray_umath" in Path(f"/proc/{process.pid}/maps").read_text()


def reading(process: Run, folder: Path) -> bool:
    return any(opened == folder / "before.ss" for opened in open_files(process))


def booting(process: Run, folder: Path) -> bool:
    return (folder / "out" / "raw" / ".guest" / "boot").exists()


def driving(process: Run, folder: Path) -> bool:
    return (folder / "out" / "raw" / "probes.blocks").exists()


def rehearsing(process: Run, folder: Path) -> bool:
    return len(list((folder / "out" / "rehearsals").glob("*/probes.blocks"))) == 2


def writing(process: Run, folder: Path) -> bool:
    return (folder / "out" / "result.json").exists()


def open_files(process: Run) -> list[Path]:
    found = []
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            found.append(Path(os.readlink(entry)))
        except OSError:
            continue
    return found


def started(folder: Path, moment: Moment) -> Run:
    """A run at that moment."""
    small_scenario(folder)
    if moment is reading:
        with (folder / "before.ss").open("ab") as file:
            for _ in range(100):
                file.write(b"neither here nor there\n" * 40_000)
    process = start("run", "incident.yaml", "--out", "out", folder=folder)
    until(lambda: moment(process, folder), process)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
@pytest.mark.parametrize("moment", [importing, reading, booting, driving, rehearsing, writing])
def test_one_signal_ends_a_run_with_one_line(tmp_path: Path, number: signal.Signals, moment: Moment) -> None:
    shared = shared_memory()
    process = started(tmp_path, moment)

    process.send_signal(number)

    assert ended(process).triple == INTERRUPTED
    assert not (tmp_path / "out").exists()
    assert_nothing_left(tmp_path, shared)


def test_the_folders_that_lead_to_a_run_folder_go_with_it(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    process = start("run", "incident.yaml", folder=tmp_path)
    until((tmp_path / "runs" / "triangle-incident-1" / "raw").exists, process)

    process.send_signal(signal.SIGINT)

    assert ended(process).triple == INTERRUPTED
    assert sorted(one.name for one in tmp_path.iterdir()) == ["before.ss", "incident.yaml", "map.yaml", "tmp"]


@pytest.mark.parametrize("moment", [driving, pytest.param(rehearsing, marks=pytest.mark.slow)])
def test_more_signals_do_not_disturb_the_cleaning_up(tmp_path: Path, moment: Moment) -> None:
    shared = shared_memory()
    process = started(tmp_path, moment)

    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)

    assert ended(process).triple == INTERRUPTED
    assert not (tmp_path / "out").exists()
    assert_nothing_left(tmp_path, shared)


@pytest.mark.parametrize(
    "moment", [*(pytest.param(one, marks=pytest.mark.slow) for one in (booting, driving)), rehearsing]
)
def test_a_killed_run_takes_its_guests_along_and_its_folder_can_be_used_again(tmp_path: Path, moment: Moment) -> None:
    shared = shared_memory()
    process = started(tmp_path, moment)
    assert moment is booting or len(processes_of(tmp_path)) > 1

    process.kill()

    assert ended(process).triple == (-signal.SIGKILL, "", "")
    assert_nothing_left(tmp_path, shared)
    if moment is rehearsing:  # the main run was over: what it measured can be asked, but for the last two seconds
        asked = run("query", "out", "loss", "--subject", "web->db", "--csv", folder=tmp_path)
        assert (asked.code, asked.stderr, len(asked.stdout.splitlines())) == (0, "", 1 + 38)
    again = run("run", "incident.yaml", "--out", "out", folder=tmp_path)
    assert (again.code, again.stderr) == (0, "")
    names = sorted(one.name for one in (tmp_path / "out").iterdir())
    assert names == [
        *(
            "ablation",
            "instances.csv",
            "kpis",
            "links.csv",
            "manifest.json",
            "paths.csv",
            "raw",
            "rehearsals",
            "report",
        ),
        *("result.json", "services.csv", "watched.json"),
    ]


def test_a_guest_that_dies_ends_the_run_with_the_reason(tmp_path: Path) -> None:
    shared = shared_memory()
    process = started(tmp_path, driving)
    kernel = min(int(line.partition(":")[0]) for line in processes_of(tmp_path) if "/linux" in line)

    os.kill(kernel, signal.SIGKILL)

    done = ended(process)
    assert (done.code, done.stdout) == (3, "")
    assert done.stderr.startswith("shadowlab: main run: the guest died by SIGKILL\n")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    assert_nothing_left(tmp_path, shared)


def test_a_run_that_was_started_deaf_to_ctrl_c_stays_so(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    process = start("plan", "incident.yaml", folder=tmp_path, under=("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    until(lambda: importing(process, tmp_path), process)

    process.send_signal(signal.SIGINT)

    done = ended(process)
    assert (done.code, done.stderr) == (0, "")
