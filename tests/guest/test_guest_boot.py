"""A function inside the guest: its job, its output, its exit code, its clock, its folder."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from conftest import SECOND_NS, Boot

from shadowlab.errors import InputError
from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel

pytestmark = pytest.mark.guest


def test_the_function_gets_its_job_and_its_exit_code_and_output_come_back(boot: Boot, tmp_path: Path) -> None:
    ran = boot("greet", job=b"thirty-six nodes")

    assert ran.outcome.exit_code == 7
    assert sorted(ran.lines) == sorted(
        ["job: thirty-six nodes", "folder: /run/job", "without a line break", "to stderr"]
    )
    assert (tmp_path / "result").read_text() == "done"
    assert [file.name for file in tmp_path.iterdir()] == ["result"]
    assert ran.outcome.kernel_lines == ()


def test_a_folder_with_spaces_and_umlauts_is_as_good_as_any(boot: Boot, tmp_path: Path) -> None:
    folder = tmp_path / "ein Ordner, für à = b"
    folder.mkdir()

    ran = boot("greet", folder=folder)

    assert ran.outcome.exit_code == 7
    assert (folder / "result").exists()


def test_the_clock_has_passed_its_first_second_and_sleeping_costs_nothing(boot: Boot) -> None:
    started = time.monotonic()

    ran = boot("clocks", virtual_s=2000)

    began_ns, slept_ns = (int(line.split()[1]) for line in ran.lines)
    assert SECOND_NS <= began_ns < 1.1 * SECOND_NS
    assert 1000 * SECOND_NS <= slept_ns < 1000.001 * SECOND_NS
    assert ran.outcome.virtual_ns > 1001 * SECOND_NS
    assert time.monotonic() - started < 20


def test_lines_arrive_while_the_function_runs(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    def see(line: str) -> None:
        (tmp_path / "seen").write_text(line)

    outcome = run_in_guest(
        kernel=built_kernel,
        entry="guest_entries:lines_then_work",
        job=b"",
        folder=tmp_path,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=100 * SECOND_NS,
        wall_deadline_s=60,
        on_line=see,
    )

    assert outcome.exit_code == 0
    assert (tmp_path / "seen").read_text() == "first"


def test_sys_exit_gives_the_exit_code(boot: Boot) -> None:
    assert boot("leaves_by_exit").outcome.exit_code == 5


def test_a_process_the_function_leaves_behind_ends_with_the_guest(boot: Boot) -> None:
    assert boot("leaves_a_child").outcome.exit_code == 0


def test_nothing_but_the_folder_can_be_written_to(boot: Boot) -> None:
    ran = boot("writes_everywhere")

    places = dict(line.split("\t") for line in ran.lines)
    assert places.pop("/run/job") == "written"
    assert set(places.values()) == {"Read-only file system"}
    assert len(places) == 5


def test_two_guests_at_once_keep_out_of_each_others_way(boot: Boot, tmp_path: Path) -> None:
    codes: dict[str, int] = {}

    def live(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        codes[name] = boot("greet", folder=folder).outcome.exit_code

    threads = [threading.Thread(target=live, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == {"a": 7, "b": 7, "c": 7}


def test_a_second_run_into_a_folder_in_use_is_refused(built_kernel: BuiltKernel, boot: Boot, tmp_path: Path) -> None:
    refused: list[str] = []

    def second_run(_line: str) -> None:
        with pytest.raises(InputError) as error:
            boot("boot_only")
        refused.append(str(error.value))
        (tmp_path / "seen").touch()

    run_in_guest(
        kernel=built_kernel,
        entry="guest_entries:lines_then_work",
        job=b"",
        folder=tmp_path,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=100 * SECOND_NS,
        wall_deadline_s=60,
        on_line=second_run,
    )

    assert refused == [f"{tmp_path}: another run is going on in this folder"]


def test_what_a_killed_run_left_in_its_folder_does_not_stop_the_next(boot: Boot, tmp_path: Path) -> None:
    (tmp_path / ".guest").mkdir()
    (tmp_path / ".guest" / "ending").write_bytes(b"old")
    (tmp_path / ".guest" / "output").write_text("old\n")

    ran = boot("greet")

    assert ran.outcome.exit_code == 7
    assert "old" not in ran.lines
    assert not (tmp_path / ".guest").exists()


def test_a_missing_folder_is_named(boot: Boot, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: cannot be used as the folder of a run: No such file or directory"):
        boot("greet", folder=tmp_path / "nowhere")


def test_on_the_real_clock_a_second_takes_a_second(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    started = time.monotonic()

    outcome = run_in_guest(
        kernel=built_kernel,
        entry="guest_entries:sleeps_half_a_second",
        job=b"",
        folder=tmp_path,
        clock="real",
        seed=1,
        virtual_deadline_ns=60 * SECOND_NS,
        wall_deadline_s=60,
    )

    assert outcome.exit_code == 0
    assert time.monotonic() - started > 1.4  # the first second of the clock, and the half
