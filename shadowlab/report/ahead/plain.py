"""An answer as JSON.

In: an answer.  Out: one document, the same bytes for the same answer.
"""

from __future__ import annotations

import math
from typing import Any

from shadowlab.model.plain import to_plain
from shadowlab.predict.sweep.answer import FORMAT, Answer, VariantAnswer
from shadowlab.store.folder import format_json


def answer_plain(answer: Answer) -> dict[str, Any]:
    """The whole answer, with what follows from it for whoever does not want to work it out."""
    plain: dict[str, Any] = {"format": FORMAT, **to_plain(answer), "holds": answer.holds}
    for variant, data in ((answer.baseline, plain["baseline"]), *zip(answer.variants, plain["variants"], strict=True)):
        data |= _derived(variant)
    return plain


def _derived(one: VariantAnswer) -> dict[str, Any]:
    near = one.nearness
    return {"verdict": one.verdict, "holds": one.holds, "nearness": near if math.isfinite(near) else None}


def answer_json(answer: Answer) -> str:
    """As it is written to a file and to stdout."""
    return format_json(answer_plain(answer))
