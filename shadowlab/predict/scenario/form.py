"""The form that all what-if scenarios share: fields, and what a kind is.

In: nothing.  Out: field types for pydantic forms, and the type of a kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from shadowlab.predict.scenario.situation import Situation

LEAST_FACTOR, MOST_FACTOR = 0.01, 1000.0


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(one.strip() for one in value.split("+") if one.strip())
    return tuple(map(str, value)) if isinstance(value, list) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(min_length=1)]
"""One name or several: ``a+b`` or a list."""


def _factor(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{value!r} is not a factor; write it like 1.5") from None
    if not LEAST_FACTOR <= number <= MOST_FACTOR:
        hint = {0.0: ": without any traffic there is nothing to ask"}.get(number, "")
        raise ValueError(f"must lie between {LEAST_FACTOR:g} and {MOST_FACTOR:g}, got {number:g}{hint}")
    return number


Factor = Annotated[float, BeforeValidator(_factor)]


def _count(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


Count = Annotated[int, BeforeValidator(_count), Field(ge=1, le=1000)]


class Form(BaseModel):
    """What every scenario's form is."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of scenario: its form, what it does, and when among others (in the order of ``stage``).

    The field that stands beside the kind's own name is ``main``.
    """

    name: str
    form: type[Form]
    apply: Callable[[Any, Situation, str], Situation]
    """Form, situation, and the scenario as it was written; raises ValueError."""
    stage: int
    meaning: str
    example: str
