"""A file of what-if questions.

In: YAML text.  Out: variants as lists of plain scenarios, or one InputError with the place of every fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shadowlab.errors import Fault, InputError
from shadowlab.predict.scenario.kinds import Stated, kind_of
from shadowlab.topology.formats import read_input
from shadowlab.topology.positioned import in_file_order, load_positioned, validate


class RawQuestions(BaseModel):
    """``scenarios`` hold together in every variant; each entry of ``variants`` adds its own."""

    model_config = ConfigDict(extra="forbid")
    shadowlab: Literal["questions/1"]
    scenarios: list[dict[str, Any]] = []
    variants: list[dict[str, Any] | list[dict[str, Any]]] = Field(default=[])


def read_questions(path: Path) -> tuple[tuple[Stated, ...], ...]:
    """The scenarios of each variant; one variant if the file states none apart."""
    document = load_positioned(read_input(path, what="file of questions"), name=str(path))
    raw = validate(RawQuestions, document)
    faults: list[Fault] = []

    def checked(where: tuple[str | int, ...], stated: dict[str, Any]) -> Stated:
        try:
            kind_of(stated)
        except ValueError as error:
            faults.append(document.fault(where, str(error)))
        return stated

    common = tuple(checked(("scenarios", index), one) for index, one in enumerate(raw.scenarios))
    variants: list[tuple[Stated, ...]] = []
    for index, one in enumerate(raw.variants):
        some = one if isinstance(one, list) else [one]
        variants.append((*common, *(checked(("variants", index), each) for each in some)))
    if faults:
        raise InputError(*in_file_order(faults))
    if not variants and not common:
        raise InputError(Fault(place=str(path), message="asks nothing: state `scenarios` or `variants`"))
    return tuple(variants) or (common,)
