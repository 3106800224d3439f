"""The wished kernel options: read from ``kernel.config``, written for make, compared with what came out.

In:    the text of ``kernel.config``; the text of the kernel's ``.config``.
Out:   a fragment for ``make allnoconfig``; an error that names every option that is not as wished.
Never: touches a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shadowlab.errors import CannotRunError, InputError

_LINE = re.compile(r"([!?]?)([A-Z0-9][A-Z0-9_]*)")


@dataclass(frozen=True, kw_only=True)
class Options:
    """Names without their CONFIG_ prefix, sorted."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    welcome: tuple[str, ...]
    """Built in where the kernel has them."""

    def fragment(self) -> str:
        """For KCONFIG_ALLCONFIG."""
        on = [f"CONFIG_{name}=y" for name in (*self.wanted, *self.welcome)]
        off = [f"# CONFIG_{name} is not set" for name in self.unwanted]
        return "\n".join([*on, *off, ""])

    def check(self, config: str) -> None:
        """Refuse a kernel without what we need: better now than in the middle of a run."""
        on = set(re.findall(r"^CONFIG_(\w+)=y$", config, re.MULTILINE))
        faults = [f"{name} is not built in" for name in self.wanted if name not in on]
        faults += [f"{name} is built in and must not be" for name in self.unwanted if name in on]
        if faults:
            raise CannotRunError("this kernel source cannot be configured as needed: " + ", ".join(faults))


def read_options(text: str) -> Options:
    """One option per line; ``!`` keeps out, ``?`` welcomes, ``#`` begins a comment."""
    found: dict[str, set[str]] = {"": set(), "!": set(), "?": set()}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        match = _LINE.fullmatch(words)
        if match is None:
            raise InputError(f"kernel.config:{number}: {words!r} is no option")
        found[match.group(1)].add(match.group(2))
    return Options(
        wanted=tuple(sorted(found[""])), unwanted=tuple(sorted(found["!"])), welcome=tuple(sorted(found["?"]))
    )
