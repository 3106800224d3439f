"""What the command line asks becomes variants.

In: scenarios as text, a file of questions, the question's network.  Out: variants; InputError for what none can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shadowlab.errors import InputError
from shadowlab.lab.ahead.asked import Asked
from shadowlab.lab.ahead.questions import read_questions
from shadowlab.predict.scenario.grid import Variant, expanded, read_text
from shadowlab.predict.scenario.kinds import Stated


def asked_variants(asked: Asked, texts: Sequence[str], file: Path | None, *, each: bool) -> tuple[Variant, ...]:
    """All together are one variant (or a grid of them), with ``each`` every one is its own; those of a file have all of
    the command line's in common."""
    try:
        stated = [read_text(one) for one in texts]
        groups: list[Sequence[Stated]] = []
        if file is not None:
            groups += [(*stated, *some) for some in read_questions(file)] if not each else read_questions(file)
        if each:
            groups += [(one,) for one in stated]
        elif file is None and stated:
            groups.append(stated)
        found = [variant for some in groups for variant in expanded(some, asked.inputs.network)]
    except ValueError as error:
        raise InputError(f"--scenario: {error}") from error
    if (texts or file) and not found:
        raise InputError("--scenario: no variant is left of these")
    return tuple({one.name: one for one in found}.values())
