"""The command line as a process: fast help, plain words for a wrong line, exit codes that tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from shadowlab import __version__

SLOW = ("numpy", "pydantic", "rich", "matplotlib", "networkx", "yaml", "psutil")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shadowlab", *words], capture_output=True, text=True, check=False, timeout=120
    )


def imported_by(program: str) -> set[str]:
    """The top-level modules that are loaded once ``program`` has run."""
    watch = f"import sys, contextlib, io\n{program}\nprint(*sorted(sys.modules), file=sys.__stdout__)"
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_help_imports_nothing_that_is_slow() -> None:
    loaded = imported_by(
        "from shadowlab.cli.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        "assert 'Commands:' in out.getvalue(), out.getvalue()"
    )

    assert "click" in loaded
    assert loaded.isdisjoint(SLOW), loaded & set(SLOW)


def test_the_entry_point_itself_imports_hardly_anything_so_that_ctrl_c_is_ours_soon() -> None:
    loaded = imported_by("import shadowlab.cli.main")

    assert loaded.isdisjoint({*SLOW, "click", "dataclasses", "inspect", "pathlib"})


def test_help_lists_every_command_and_the_exit_codes() -> None:
    done = run("--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert (
        "Exit codes: 0 service levels hold, 1 they do not, 2 wrong input, 3 cannot run on this machine." in done.stdout
    )
    for name in ("run", "plan", "kernel"):
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("command", ["run", "plan", "kernel"])
def test_every_command_explains_itself(command: str) -> None:
    done = run(command, "-h")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: shadowlab {command} ")


def test_the_version_is_told() -> None:
    done = run("--version")

    assert (done.returncode, done.stdout, done.stderr) == (0, f"shadowlab, version {__version__}\n", "")


def test_an_unknown_command_is_wrong_input() -> None:
    done = run("predcit")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Usage: shadowlab [OPTIONS] COMMAND [ARGS]...\nTry 'shadowlab --help' for help.\n\n"
        "Error: No such command 'predcit'.\n"
    )


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("run",), "Error: Missing argument 'SCENARIO'."),
        (("run", "--seed", "seven", "x"), "Error: Invalid value for '--seed': 'seven' is not a valid integer range."),
        (("run", "--kernel", "mine", "x"), "is not one of 'auto', 'embedded', 'host'."),
        (("run", "--xyzzy", "x"), "Error: No such option '--xyzzy'."),
    ],
)
def test_a_wrong_line_is_wrong_input(words: tuple[str, ...], last: str) -> None:
    done = run(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.rstrip().endswith(last)


def test_output_that_nobody_reads_ends_the_program_quietly_like_any_other() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [sys.executable, "-m", "shadowlab", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_a_defect_of_ours_shows_where_and_ends_in_3_not_in_1() -> None:
    """1 says that service levels are broken; a crash says nothing of them."""
    program = (
        "import sys, types\n"
        "broken = types.ModuleType('shadowlab.cli.commands')\n"
        "def shadowlab(): ...\n"
        "shadowlab.main = lambda **_: 1 / 0\n"
        "broken.shadowlab = shadowlab\n"
        "sys.modules['shadowlab.cli.commands'] = broken\n"
        "from shadowlab.cli.main import main\n"
        "main([])\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout) == (3, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == [
        "ZeroDivisionError: division by zero",
        "shadowlab: this is a defect of ShadowLab; please report it with the lines above",
    ]
