"""The documents say what the code does: links, commands, keys, indicators, layouts, constants."""

import dataclasses
import re
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from document import ROOT, anchors, blocks, commands, documents, first_cells, links, rows

sys.path.insert(0, str(ROOT / "scripts"))
from docs_navigation import navigation

from shadowlab import errors
from shadowlab.cli.commands import shadowlab
from shadowlab.lab.scenario_form import RawScenario
from shadowlab.model.kpi import KPIS
from shadowlab.model.telemetry import TcpRecord
from shadowlab.monitor import layout
from shadowlab.replicate.sending import sender
from shadowlab.store.records import RECORDS
from shadowlab.telemetry import attach
from shadowlab.topology.native import read_native
from shadowlab.topology.positioned import load_positioned, validate

DOCUMENTS = documents()
REFERENCE = ROOT / "docs" / "reference"


def found_at(dotted: str) -> Any:
    """``package.module.Name.attribute``."""
    words = dotted.split(".")
    for cut in range(len(words), 0, -1):
        try:
            value: Any = import_module(".".join(words[:cut]))
        except ModuleNotFoundError:
            continue
        for name in words[cut:]:
            value = getattr(value, name)
        return value
    raise AssertionError(f"{dotted} is not there")


def marked(kind: str) -> list[Any]:
    """Every ``<!-- kind … -->`` before a table, as (document, words of the mark)."""
    return [
        pytest.param(path, mark, id=f"{path.name}-{mark}")
        for path in DOCUMENTS
        for mark in re.findall(rf"<!-- {kind} of (.+?) -->", path.read_text())
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_and_image_leads_somewhere(path: Path) -> None:
    for target in links(path):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path

        assert there.exists(), f"{path.name}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{path.name}: {target}"


def test_every_document_is_reached_from_the_contents_page() -> None:
    index = ROOT / "docs" / "index.md"

    reached = {(index.parent / target).resolve() for target in links(index)}

    assert {path for path in DOCUMENTS if path.parent != ROOT and path != index} <= reached
    assert index in {(ROOT / target).resolve() for target in links(ROOT / "README.md")}


def test_the_navigation_of_the_site_has_every_document_once() -> None:
    sections = navigation((ROOT / "docs" / "index.md").read_text())

    listed = [page for one in sections for page in ([one] if isinstance(one, str) else next(iter(one.values())))]

    assert sorted(listed) == sorted(["CHANGELOG.md", *(str(path.relative_to(ROOT)) for path in DOCUMENTS)])


@pytest.mark.parametrize(("path", "line"), [(path, line) for path in DOCUMENTS for line in commands(path)])
def test_every_command_shown_is_one_that_is_understood(path: Path, line: str) -> None:
    command: click.Command = shadowlab
    words = line.partition("#")[0].split()[1:]
    while isinstance(command, click.Group):
        with command.make_context("shadowlab", ["--help"], resilient_parsing=True) as context:
            found = command.get_command(context, words.pop(0))
        assert found is not None, f"{path.name}: {line}"
        command = found

    with suppress(click.MissingParameter):  # running text may leave the scenario out
        command.make_context("shadowlab", words)  # raises UsageError for what it does not know


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_script_and_benchmark_named_exists(path: Path) -> None:
    text = path.read_text()

    for name in re.findall(r"\bscripts/([a-z-]+)\b", text):
        assert (ROOT / "scripts" / name).exists() or (ROOT / "topologies/scripts" / f"{name}.sh").exists(), name
    for name in re.findall(r"\bscripts/bench ([a-z]+)\b", text):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name


@pytest.mark.parametrize(("path", "mark"), marked("keys"))
def test_the_keys_of_a_reference_are_those_of_the_code(path: Path, mark: str) -> None:
    dotted, _, more = mark.partition(" and ")
    kind = found_at(dotted)
    if dataclasses.is_dataclass(kind):
        wanted = {one.name for one in dataclasses.fields(kind)}
    else:
        wanted = {field.alias or name for name, field in kind.model_fields.items()}

    assert set(first_cells(path, f"keys of {mark}")) == wanted | set(more.split())


def test_every_form_of_a_map_and_of_a_scenario_has_its_table() -> None:
    named = {param.values[1] for param in marked("keys")}

    for module in ("shadowlab.topology.native", "shadowlab.lab.scenario_form"):
        forms = [one for one in vars(import_module(module)).values() if hasattr(one, "model_fields")]
        own = [one for one in forms if one.__module__ == module and not one.__name__.startswith("_")]
        wanted = {f"{module}.{one.__name__}" for one in own if one.model_fields}
        assert wanted <= named


def test_the_table_of_indicators_is_the_registry() -> None:
    table = rows(REFERENCE / "scenario.md", "rows of shadowlab.model.kpi.KPIS")

    assert [tuple(row) for row in table] == [
        (f"`{one.name}`", one.unit, one.subject, one.bad or "–", one.meaning) for one in KPIS.values()
    ]


def test_the_exit_codes_are_those_of_the_code() -> None:
    table = rows(REFERENCE / "exit-codes.md", "# Exit codes")

    assert {row[1].strip("`"): int(row[0]) for row in table} == {
        name: value for name, value in vars(errors).items() if name.startswith("EXIT_")
    }


def test_the_record_types_are_those_of_the_code() -> None:
    text = (REFERENCE / "run-folder.md").read_text()

    for kind in RECORDS.values():
        wanted = [f"### `raw/{kind.name}.blocks`", "", f"{kind.meaning[0].upper()}{kind.meaning[1:]}.", ""]
        wanted += ["| column | kind | unit | holds |", "| --- | --- | --- | --- |"]
        wanted += [f"| `{one.name}` | {one.kind} | {one.unit} | {one.meaning} |" for one in kind.columns]
        section = "\n".join(wanted).replace("|  |", "| |")
        assert section in text, f"put this into run-folder.md:\n{section}"
    for name in (layout.TRACE_FILE, layout.EVENTS_FILE):
        assert f"### `{name}`" in text


def test_every_field_of_a_telemetry_record_is_explained() -> None:
    table = rows(REFERENCE / "telemetry.md", "## The record")

    named = {word for row in table for word in re.findall(r"`(\w+)`", row[0])}
    assert named == {one.name for one in dataclasses.fields(TcpRecord)}


def test_every_reason_for_leaving_a_record_out_is_listed() -> None:
    source = Path(attach.__file__).read_text()
    table = [row[0].strip("`") for row in rows(REFERENCE / "telemetry.md", "Records are never an error")]
    plain = re.sub(r"\{[^{}]*\}", "…", source)

    assert all(reason in plain for reason in table)
    returned = re.findall(r'return \(f?"(.+?)", "", "", nowhere\)', plain)
    returned += re.findall(r'tally\.add\(f?"(.+?)",', plain)
    assert set(returned) == set(table)


@pytest.mark.parametrize(
    ("dotted", "value"),
    [(row[0].strip("`"), row[1]) for row in rows(ROOT / "docs/explanation/how-a-run-works.md", "<!-- constants -->")],
)
def test_the_constants_explained_are_those_of_the_code(dotted: str, value: str) -> None:
    assert str(found_at(dotted)) == value


@pytest.mark.parametrize(
    ("dotted", "value"),
    [(row[0].strip("`"), row[1]) for row in rows(REFERENCE / "replication.md", "<!-- limits -->")],
)
def test_the_limits_of_replication_are_those_of_the_code(dotted: str, value: str) -> None:
    assert str(found_at(dotted)) == value


def test_the_answers_of_replication_that_drop_a_batch_are_those_of_the_code() -> None:
    table = rows(REFERENCE / "replication.md", "## Answers")

    assert tuple(int(row[0]) for row in table if row[2].startswith("drops")) == sender.NEVER_TO_BE_TAKEN


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_map_and_scenario_shown_can_be_read(path: Path) -> None:
    for text in blocks(path, "yaml"):
        if "shadowlab: map/1" in text:
            assert read_native(text.encode(), name=path.name).nodes
        elif "shadowlab: scenario/1" in text:
            assert validate(RawScenario, load_positioned(text.encode(), name=path.name)).name


def test_the_reference_of_commands_and_the_manual_page_are_what_the_commands_say() -> None:
    script = [sys.executable, ROOT / "scripts/commands_reference.py", "--check"]

    check = subprocess.run(script, capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stdout + check.stderr


def test_the_change_log_is_up_to_date() -> None:
    check = subprocess.run([ROOT / "scripts/changelog", "--check"], capture_output=True, text=True, check=False)

    assert check.returncode == 0, check.stderr
