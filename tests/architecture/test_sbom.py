"""The bill of materials names everything that is shipped, in a standard's form, with licences that allow it."""

from __future__ import annotations

import json
import sys
from email.message import Message
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import sbom  # type: ignore[import-not-found]  # noqa: E402


def test_the_document_is_cyclonedx_and_names_what_is_shipped_and_nothing_else() -> None:
    text = sbom.document()
    told = json.loads(text)
    names = {one["name"] for one in told["components"]}

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert {"numpy", "pyroute2", "starlette", "cytoscape", "uplot", "linux", "pydantic-core"} <= names
    assert not names & {"pytest", "mypy", "playwright", "shadowlab"}
    assert told["metadata"]["component"]["name"] == "shadowlab"
    needs = {one["ref"]: one.get("dependsOn", []) for one in told["dependencies"]}
    assert "pypi:numpy" in needs["pypi:shadowlab"] and "npm:uplot" in needs["pypi:shadowlab"]


def test_every_part_has_a_licence_that_lets_it_be_passed_on() -> None:
    assert sbom.refused() == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-2.0-or-later OR Apache-2.0", True),
        ("(MIT OR GPL-3.0-only) AND BSD-3-Clause", True),
        ("(MIT OR GPL-3.0-only) AND GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("see the file (if there is one", False),
        ("GPL-3.0-only", False),
        ("Proprietary", False),
        ("", False),
    ],
)
def test_a_choice_counts_as_its_best_and_a_sum_as_its_worst(expression: str, allowed: bool) -> None:
    assert sbom.is_allowed(expression) is allowed


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT"), ("License", "whatever")], "MIT"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        (
            [
                ("License", "Copyright (c) somebody\nall of the text"),
                ("Classifier", "License :: OSI Approved :: MIT License"),
            ],
            "MIT",
        ),
        ([("Name", "x")], ""),
    ],
)
def test_older_metadata_are_understood(fields: list[tuple[str, str]], licence: str) -> None:
    metadata = Message()
    for name, value in fields:
        metadata[name] = value

    assert sbom.licence_of(metadata) == licence
