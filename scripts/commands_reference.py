"""Write the reference of all commands, as a document and as a manual page, from the commands themselves.

In: the tree of commands.  Out: docs/reference/commands.md and docs/man/shadowlab.1.  ``--check`` writes nothing and
fails if either would change.  Both are kept in the repository, because a build of the wheel has none of ShadowLab's
libraries; a test holds them to the code.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from shadowlab.cli.commands import shadowlab

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "reference" / "commands.md"
PAGE = ROOT / "docs" / "man" / "shadowlab.1"


@dataclass(frozen=True, kw_only=True)
class Described:
    """One command: its words, what may follow them, its help (``as_is`` keeps its lines), its options."""

    name: str
    arguments: tuple[str, ...]
    paragraphs: tuple[tuple[bool, str], ...]
    options: tuple[tuple[str, str], ...]


def described(command: click.Command, path: tuple[str, ...]) -> Iterator[Described]:
    """``command`` and all below it, in the order of ``--help``."""
    context = click.Context(command, info_name=path[-1])
    arguments = [_argument(one, context) for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    text = "\n\n".join(inspect.cleandoc(one) for one in (command.help, command.epilog) if one)
    yield Described(
        name=" ".join(path),
        arguments=tuple(["COMMAND ..."] if isinstance(command, click.Group) else arguments),
        paragraphs=tuple(_paragraph(one) for one in text.split("\n\n") if one.strip()),
        options=tuple((_spelling(one), _meaning(one)) for one in options),
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from described(below, (*path, name))


def _paragraph(text: str) -> tuple[bool, str]:
    lines = text.strip("\n").splitlines()
    if lines[0].strip() == "\b":
        return True, "\n".join(lines[1:])
    return False, " ".join(" ".join(lines).split())


def _argument(argument: click.Argument, context: click.Context) -> str:
    name = argument.metavar or (argument.name or "").upper()
    if not argument.required and not name.startswith("["):
        name = f"[{name}]"
    return name if argument.nargs != -1 or "..." in name else f"{name}..."


def _spelling(option: click.Option) -> str:
    names = ", ".join(option.opts) + "".join(f" / {one}" for one in option.secondary_opts)
    if option.is_flag or option.count:
        return names
    if option.metavar:
        return f"{names} {option.metavar}"
    if isinstance(option.type, click.Choice):
        return f"{names} [{'|'.join(str(one) for one in option.type.choices)}]"
    return f"{names} {option.type.name.split()[0].upper()}"


def _meaning(option: click.Option) -> str:
    default = option.default
    shown = option.show_default is True and isinstance(default, str | int | float) and not isinstance(default, bool)
    return " ".join((option.help or "").split()) + (f"  Default: {default}." if shown else "")


def as_markdown(commands: list[Described]) -> str:
    """The document: one section each, with examples as they stand in the help."""
    lines = [
        "# Commands",
        "",
        "Written by `scripts/commands_reference.py` from the commands themselves.  The same as a manual page:",
        "`man -l docs/man/shadowlab.1`.",
    ]
    for one in commands:
        lines += ["", f"## {one.name}", "", "```", " ".join([one.name, "[OPTIONS]", *one.arguments]), "```"]
        for as_is, text in one.paragraphs:
            lines += ["", *(["```", text, "```"] if as_is else [text.replace("<", "&lt;")])]
        if one.options:
            lines += ["", "| option | meaning |", "| --- | --- |"]
            lines += [f"| `{_cell(name)}` | {_cell(text).replace('<', '&lt;')} |" for name, text in one.options]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def as_manual(commands: list[Described]) -> str:
    """The manual page, in the macros of man(7)."""
    lines = ['.TH SHADOWLAB 1 "" "ShadowLab" "User Commands"', ".SH NAME"]
    lines += ["shadowlab \\- keep a shadow of a production network on a real Linux kernel"]
    lines += [".SH SYNOPSIS", ".B shadowlab", ".I COMMAND", "[OPTIONS] ..."]
    for place, one in enumerate(commands):
        if place == 0:
            lines.append(".SH DESCRIPTION")
        else:
            lines += [*([".SH COMMANDS"] if place == 1 else []), f".SS {_roff(' '.join([one.name, *one.arguments]))}"]
        for as_is, text in one.paragraphs:
            lines += [".PP", *([".nf", *map(_roff, text.splitlines()), ".fi"] if as_is else [_roff(text)])]
        for name, text in one.options:
            lines += [".TP", f".B {_roff(name)}", _roff(text)]
    return "\n".join(lines) + "\n"


def _roff(text: str) -> str:
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{safe}" if safe[:1] in (".", "'") else safe


def main() -> int:
    """Write both, or compare; 1 if ``--check`` finds a difference."""
    commands = list(described(shadowlab, ("shadowlab",)))
    stale = 0
    for path, text in ((DOCUMENT, as_markdown(commands)), (PAGE, as_manual(commands))):
        if path.is_file() and path.read_text() == text:
            continue
        if "--check" in sys.argv[1:]:
            print(f"{path.relative_to(ROOT)} is not what the commands say: run scripts/commands_reference.py")
            stale = 1
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main())
