"""What is exported: a cure with its actions, and those that take it back.

In: a rehearsed cure.  Out: values for the forms; names that no form can take for code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from shadowlab.model.cure.action import Action, undone


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A cure that was rehearsed; ``gain`` says in words what it brought there."""

    run: str
    cure: str
    summary: str
    gain: str
    actions: tuple[Action, ...]

    @property
    def way_back(self) -> tuple[Action, ...]:
        """What takes it back, the last first."""
        return tuple(back for one in reversed(self.actions) if (back := undone(one)) is not None)


def one_line(text: str) -> str:
    """A text of strangers for a comment: no control character, and nothing that ends a line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)


@dataclass(kw_only=True)
class Blanks:
    """What the map does not know and the reader fills in: each gets a name of letters, digits and ``_``, once."""

    names: dict[tuple[str, ...], str] = field(default_factory=dict)

    def name(self, what: str, *of: str) -> str:
        """The name of the blank for ``what`` ("interface", "prefix", "address") of these nodes or links."""
        key = (what, *of)
        if key not in self.names:
            plain = re.sub(r"[^A-Za-z0-9]+", "_", "_".join((what, *of))).strip("_").lower()[:60]
            taken = set(self.names.values())
            name, number = plain, 2
            while name in taken:
                name, number = f"{plain}_{number}", number + 1
            self.names[key] = name
        return self.names[key]

    def lines(self) -> Iterator[tuple[str, str]]:
        """(name, what it stands for)."""
        for (what, *of), name in self.names.items():
            yield name, one_line(f"{what} of {' towards '.join(of)}")
