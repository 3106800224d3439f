"""The page: complete, self-contained, safe, the same for the same input."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shadowlab.model.network import Node
from shadowlab.model.result import PathTrace, RunResult
from shadowlab.model.verdict import Correlation
from shadowlab.report.html import render_page, write_report
from shadowlab.report.plots.run import draw_plots

from .example import LEVELS, example_run

MANIFEST = {"seed": 42, "inputs": {"map": "sha256:abc", "telemetry": None}, "argv": ["shadowlab", "run"]}
SECTIONS = (
    "map",
    "timeline",
    "cures",
    "paths",
    "levels",
    "domain",
    "anomalies",
    "ways",
    "links",
    "correlation",
    "traffic",
    "method",
)
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Outline(HTMLParser):
    """Checks that every element is closed and gathers what the page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else near {self.getpos()}"


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(*example_run(), MANIFEST, tmp_path_factory.mktemp("run"), LEVELS).read_text("utf-8")


def bare(result: RunResult) -> RunResult:
    """A run in which nothing went wrong and nothing was compared."""
    calm = tuple(replace(one, holds=True) for one in result.levels_after)
    nothing = Correlation(verdict="not compared", why="no second telemetry file")
    return replace(
        result,
        fault_domain=None,
        cures=(),
        anomalies=(),
        timeline=(),
        conclusions=(),
        headline="",
        expectations={},
        levels_after=calm,
        correlation=nothing,
        event_ns=result.duration_ns,
        holds=True,
    )


def test_every_section_is_there_in_order(page: str) -> None:
    ids = [attributes["id"] for tag, attributes in outline(page).seen if tag == "section"]

    assert tuple(ids) == SECTIONS


def test_the_five_answers_stand_above_everything_else(page: str) -> None:
    result = example_run()[0]
    top = page[: page.index("<nav")].replace("\N{NO-BREAK SPACE}", " ")

    assert all(sentence in top for sentence in (result.headline, *result.conclusions))


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    without_names = re.sub(r'xmlns(:xlink)?="http://www\.w3\.org/[^"]*"', "", page)

    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|<script|<link|<iframe|\ssrc=", without_names)
    links = re.findall(r'href="([^"]*)"', page)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_every_link_within_the_page_leads_somewhere(page: str) -> None:
    ids = {attributes.get("id") for _, attributes in outline(page).seen}

    assert set(re.findall(r'href="#([^"]*)"', page)) <= ids


def test_headings_descend_by_one_and_pictures_have_words(page: str) -> None:
    seen = outline(page).seen
    levels = [int(tag[1]) for tag, _ in seen if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(attributes.get("aria-label") for tag, attributes in seen if tag == "svg")


def test_text_from_data_cannot_become_markup(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    result, paths, links = example_run(strange_name="<script>alert(1)")
    domain = result.fault_domain
    assert domain is not None
    result = replace(
        result,
        title=evil,
        headline=evil,
        conclusions=(evil,) * 5,
        fault_domain=replace(domain, groups=(evil,), unseen=(evil,)),
        cures=tuple(replace(one, cure=evil, steps=(evil,), note=evil, worst={evil: 1.0}) for one in result.cures),
        timeline=tuple(replace(one, text=evil) for one in result.timeline),
        traces=tuple(replace(one, fault=evil) for one in result.traces),
        flows=tuple(replace(one, service=evil, evidence=evil) for one in result.flows),
        correlation=replace(result.correlation, why=evil),
        expectations={evil: True},
    )

    page = write_report(result, paths, links, {evil: evil}, tmp_path).read_text("utf-8")

    assert "<script" not in page
    assert "&lt;script&gt;" in page
    outline(page)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, page: str) -> None:
    again = write_report(*example_run(), MANIFEST, tmp_path, LEVELS)

    assert again.read_text("utf-8") == page


def test_a_run_without_findings_is_reported(tmp_path: Path) -> None:
    result, paths, links = example_run()

    page = write_report(bare(result), paths, links, {}, tmp_path).read_text("utf-8")

    outline(page)
    for words in (
        "No fault domain was found.",
        "Nothing was broken",
        "No path left its baseline.",
        "not compared",
        "all service levels hold",
        result.title,
    ):
        assert words in page


def test_a_void_run_warns_at_the_top() -> None:
    result, _, _ = example_run()
    doubtful = replace(result, provenance=replace(result.provenance, valid=False, validity="the loop was 80 ms late"))

    page = render_page(doubtful, (), {})

    assert page.index("Do not act on this run.") < page.index("<nav")
    assert "the loop was 80 ms late" in page[: page.index("<nav")]


def test_values_carry_their_units_when_the_levels_are_known(page: str) -> None:
    levels = page[page.index('<section id="levels"') : page.index('<section id="domain"')]

    assert "90.0 ms" in levels
    assert "1.0 %" in levels


def test_a_big_network_makes_a_small_page_in_time() -> None:
    result, paths, links = example_run()
    nodes = tuple(Node(id=f"x{index}", kind="router") for index in range(731))
    big = replace(
        result,
        network=replace(result.network, nodes=result.network.nodes + nodes),
        traces=tuple(PathTrace(path=f"p{index}", since_ns=0, nodes=("a", "b")) for index in range(9000)),
    )

    page = render_page(big, draw_plots(big, paths, links), {})

    assert "8 950 more rows; all of them are in result.json" in page
    assert len(page) < 2_000_000
