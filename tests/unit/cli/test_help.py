"""What every command says of itself, and that what it says of itself is understood by it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress

import click
import pytest

from shadowlab.cli.commands import shadowlab


def leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, (*path, name))
    else:
        yield " ".join(path), command


LEAVES = dict(leaves(shadowlab, ("shadowlab",)))


def examples(name: str) -> list[str]:
    """The lines of a command's help that begin with its name and are indented, as examples are."""
    told = f"{LEAVES[name].help}\n{LEAVES[name].epilog}"
    return re.findall(rf"^ +({re.escape(name)}(?: .*)?)$", told, re.MULTILINE)


@pytest.mark.parametrize("name", LEAVES)
def test_the_help_of_every_command_has_an_example(name: str) -> None:
    assert examples(name)


@pytest.mark.parametrize(("name", "line"), [(name, line) for name in LEAVES for line in examples(name)])
def test_every_example_is_a_line_that_the_command_understands(name: str, line: str) -> None:
    words = shlex.split(re.split(r"\s[|>&;]|\s\\", line, maxsplit=1)[0], comments=True)[len(name.split()) :]

    with suppress(click.MissingParameter):  # the line may go on after a backslash
        LEAVES[name].make_context(name, words)  # raises UsageError for what it does not know
