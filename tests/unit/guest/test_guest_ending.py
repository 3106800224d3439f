"""Judging how a guest ended, and the command line it is started with: pure functions."""

from __future__ import annotations

import marshal
from pathlib import Path

import pytest

from shadowlab.errors import CannotRunError, ShadowFailedError
from shadowlab.guest.cache import BuiltKernel
from shadowlab.guest.command_line import host_environment, kernel_arguments, quoted
from shadowlab.guest.control import OutputTail
from shadowlab.guest.ending import Death, Ending, Limits, judge_ending, kernel_lines, read_ending

LIMITS = Limits(virtual_deadline_ns=60 * 10**9, wall_deadline_s=30.0, memory_bytes=1 << 30)
KERNEL = BuiltKernel(key="k", version="6.12.1", folder=Path("/c/k"), sha256="", virtual_clock=True)


def death(**changes: object) -> Death:
    fields: dict[str, object] = {
        "returncode": 0,
        "past_wall_deadline": False,
        "kernel_lines": (),
        "output_lines": (),
        "wall_ns": 5,
    }
    return Death(**(fields | changes))  # type: ignore[arg-type]


def test_a_code_is_an_outcome_whatever_else_happened() -> None:
    outcome = judge_ending(Ending(code=3, virtual_ns=9), death(returncode=1), LIMITS)

    assert (outcome.exit_code, outcome.virtual_ns, outcome.wall_ns) == (3, 9, 5)


@pytest.mark.parametrize(
    ("ending", "how", "words"),
    [
        (Ending(past_deadline=True), {}, "the guest was stopped: its clock passed the deadline of 60 s"),
        (
            Ending(),
            {"past_wall_deadline": True},
            "the guest was stopped: it took longer than the deadline of 30 s of real time",
        ),
        (Ending(signal=11), {}, "the program inside the guest was killed by SIGSEGV"),
        (Ending(signal=33), {}, "the program inside the guest was killed by signal 33"),
        (Ending(), {"returncode": -9}, "the guest died by SIGKILL"),
        (Ending(), {"returncode": 1}, "the guest ended without a result (exit status 1)"),
        (Ending(init_failed="no mount"), {}, "the guest could not start the program: no mount"),
        (Ending(traceback="T\n"), {}, "the program inside the guest failed:\nT"),
    ],
)
def test_every_other_ending_is_an_error_in_words(ending: Ending, how: dict[str, object], words: str) -> None:
    with pytest.raises(ShadowFailedError) as error:
        judge_ending(ending, death(**how), LIMITS)

    assert str(error.value) == words


def test_the_last_lines_of_program_and_kernel_come_with_the_error() -> None:
    with pytest.raises(ShadowFailedError) as error:
        judge_ending(Ending(), death(returncode=-6, output_lines=("step 3",), kernel_lines=("Oops",)), LIMITS)

    assert str(error.value).splitlines() == [
        "the guest died by SIGABRT",
        "last lines of output:",
        "  step 3",
        "last kernel lines:",
        "  Oops",
    ]


def test_of_a_long_panic_the_reason_is_kept() -> None:
    lines = ("before", "Kernel panic - not syncing: why", *(f"frame {number}" for number in range(99)))

    with pytest.raises(ShadowFailedError) as error:
        judge_ending(Ending(), death(returncode=-6, kernel_lines=lines), LIMITS)

    assert "Kernel panic - not syncing: why" in str(error.value)
    assert "before" not in str(error.value)


def test_what_the_kernel_always_says_is_left_out() -> None:
    console = b'Failed to initialize umid "x", trying\r\n\nreboot: Power down\nOut of memory: Killed process 9\n'

    assert kernel_lines(console) == ("Out of memory: Killed process 9",)


@pytest.mark.parametrize("content", [None, b"", b"\x00garbage", marshal.dumps({"code": 0})[:-1]])
def test_an_ending_that_is_missing_or_cut_tells_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ending").write_bytes(content)

    assert read_ending(tmp_path) == Ending()


def test_output_is_followed_line_by_line_across_a_split_character(tmp_path: Path) -> None:
    file = tmp_path / "output"
    tail = OutputTail(file)
    assert tail.new_lines() == []

    file.write_bytes("eins\nzwei-ü".encode()[:-1])
    assert tail.new_lines() == ["eins"]
    with file.open("ab") as more:
        more.write("ü".encode()[1:] + b"\ndrei")
    assert tail.new_lines() == ["zwei-ü"]
    assert tail.last_line() == ["drei"]
    assert tail.last_line() == []


def test_paths_with_spaces_are_quoted_and_with_quotes_refused() -> None:
    assert quoted("/usr/bin/python3.11") == "/usr/bin/python3.11"
    assert quoted("/my lab/x") == '"/my lab/x"'
    with pytest.raises(CannotRunError, match="contains a double quote"):
        quoted('/my"lab')


def test_the_virtual_clock_starts_at_a_fixed_time_and_the_root_is_read_only() -> None:
    words = kernel_arguments(clock="virtual", memory_bytes=1 << 30, init=["/bin/py", "-S", "/f o"], inside={"A": "1"})

    assert {"ro", "mem=1048576K", "time-travel=inf-cpu", "time-travel-start=1735689600000000000", "A=1"} <= set(words)
    assert words[-4:] == ["init=/bin/py", "--", "-S", '"/f o"']


def test_the_real_clock_is_left_alone() -> None:
    words = kernel_arguments(clock="real", memory_bytes=1 << 30, init=["/i"], inside={})

    assert not [word for word in words if "time-travel" in word]


def test_a_command_line_the_kernel_would_cut_is_refused() -> None:
    with pytest.raises(CannotRunError, match="exceeds 4096 bytes"):
        kernel_arguments(clock="real", memory_bytes=1, init=["/i" * 2100], inside={})


def test_chance_is_seeded_only_through_the_library() -> None:
    seeded = host_environment(seed=5, preload_fd=8, name="1-2")
    unseeded = host_environment(seed=5, preload_fd=None, name="1-2")

    assert seeded["LD_PRELOAD"] == "/proc/self/fd/8"
    assert seeded["SHADOWLAB_GUEST_SEED"] == "5"
    assert "LD_PRELOAD" not in unseeded
