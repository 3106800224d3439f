"""The summary on a terminal and in a pipe, and numbers as people read them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from shadowlab.model.result import RunResult
from shadowlab.report.text import render_summary
from shadowlab.report.words import number, percent, plural, short

from .example import example_run


def summary(result: RunResult, *, terminal: bool = False, report: Path | None = None) -> str:
    out = io.StringIO()
    render_summary(result, Console(file=out, force_terminal=terminal, width=100), report)
    return out.getvalue()


def test_a_pipe_gets_plain_lines_with_every_answer() -> None:
    result = example_run()[0]

    written = summary(result, report=Path("runs/1/report.html"))

    assert "\x1b" not in written
    assert all(f"  {sentence}\n" in written for sentence in result.conclusions)
    assert "chicago>indianapolis" in written
    assert "1  reroute         96.0 %  0.80 %        0     –           route around chicago-indianapolis\n" in written
    assert written.endswith("Report: runs/1/report.html\n")


def test_a_terminal_gets_a_table_with_the_best_cure_marked() -> None:
    written = summary(example_run()[0], terminal=True)

    assert "\x1b[32m" in written
    assert "do nothing" in written


def test_markup_and_control_characters_in_data_are_only_text() -> None:
    result = replace(example_run()[0], headline="[red]x[/nope]\x1b]0;owned\x07")

    written = summary(result)

    assert "[red]x[/nope]" in written
    assert "\x1b" not in written


def test_long_lines_are_not_broken_in_a_pipe() -> None:
    result = replace(example_run()[0], headline="word " * 60 + "end")

    assert summary(result).splitlines()[0].endswith("end")


def test_a_run_without_findings_is_summed_up() -> None:
    result = replace(example_run()[0], fault_domain=None, cures=(), anomalies=(), conclusions=())

    assert "none found" in summary(result)


def test_a_domain_without_links_is_told_in_words() -> None:
    result = example_run()[0]
    assert result.fault_domain is not None
    nowhere = replace(result, fault_domain=replace(result.fault_domain, links=(), suspects=()))

    assert "Fault domain    no link explains what is affected better than chance\n" in summary(nowhere)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_cure_that_failed_shows_why_and_no_figures(terminal: bool) -> None:
    result = example_run()[0]
    failed = replace(result.cures[0], cure="fix", note="exit code 3", rank=9, recovered=0.123)

    written = summary(replace(result, cures=(*result.cures, failed)), terminal=terminal)

    (line,) = [line for line in written.splitlines() if "fix" in line]
    assert "not counted: exit code 3" in line
    assert "12.3" not in line


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.9999, ">99.9 %"),
        (0.00001, "<0.01 %"),
        (0.058, "5.8 %"),
        (-0.2, "-20.0 %"),
        (float("nan"), "–"),
    ],
)
def test_percentages_never_pretend(value: float, words: str) -> None:
    assert percent(value) == words


def test_numbers_counts_and_names_are_short() -> None:
    assert [number(value) for value in (0, 1234567, 42.123, 0.0123, 0.00001, float("nan"))] == [
        "0",
        "1 234 567",
        "42.1",
        "0.0123",
        "1.0e-05",
        "–",
    ]
    assert [plural(count, "path") for count in (1, 2000)] == ["1 path", "2 000 paths"]
    assert short("abcdefghij", 5) == "ab…ij"
