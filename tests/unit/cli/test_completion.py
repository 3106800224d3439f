"""What the shell is told when a user presses the tab key, by the program itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from shadowlab.cli.terminal.completion import completion


def completed(words: str, **more: str) -> list[str]:
    environment = os.environ | {"_SHADOWLAB_COMPLETE": "bash_complete", "COMP_WORDS": words}
    environment |= {"COMP_CWORD": str(len(words.split(" ")) - 1), **more}
    program = "from shadowlab.cli.main import main; main([])"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("shadowlab topo", ["topology"]),
        ("shadowlab topology con", ["convert"]),
        ("shadowlab verify --iso", ["--isolation"]),
        ("shadowlab set core que", ["queue="]),
    ],
)
def test_commands_options_and_settings_are_completed(words: str, found: list[str]) -> None:
    assert completed(words) == found


def test_the_shell_gets_a_script() -> None:
    program = "from shadowlab.cli.main import main; main([])"
    environment = os.environ | {"_SHADOWLAB_COMPLETE": "zsh_source"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("#compdef shadowlab")


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o"), ("zsh", "#compdef shadowlab"), ("fish", "--command shadowlab")]
)
def test_the_script_is_printed_by_a_command(shell: str, sign: str) -> None:
    told = CliRunner().invoke(completion, [shell])

    assert told.exit_code == 0
    assert sign in told.output and "_SHADOWLAB_COMPLETE" in told.output
