"""Answers for people: rows, page, plots, JSON."""

from __future__ import annotations

import io
import json

from rich.console import Console

from shadowlab.predict.sweep.answer import (
    BASELINE,
    Answer,
    Provenance,
    VariantAnswer,
    headline,
    variant_answer,
    worst_of_links,
)
from shadowlab.predict.sweep.figures import LevelFigure, LinkFigure, RunFigures
from shadowlab.report.ahead.page import answer_files
from shadowlab.report.ahead.plain import answer_json
from shadowlab.report.ahead.terminal import render_answer

NASTY = "fail=<script>alert(1)</script>"


def runs(name: str, *values: float | None, used: float = 0.5) -> list[RunFigures]:
    return [
        RunFigures(
            variant=name,
            seed=seed,
            levels=(
                LevelFigure(
                    level="quick",
                    subject="a→b",
                    kpi="latency_p95_ms",
                    limit=100.0,
                    less_is_bad=False,
                    value=value,
                    windows=4,
                ),
            ),
            links=(LinkFigure(direction="x>y", utilisation=used, peak=used, loss=0.0),),
            cut=("a→b",) if value is None else (),
        )
        for seed, value in enumerate(values)
    ]


def answer() -> Answer:
    base = runs(BASELINE, 50.0, 52.0)
    baseline = variant_answer(BASELINE, (), base, ())
    variants: tuple[VariantAnswer, ...] = (
        variant_answer("growth=2", ("all demand times 2",), runs("growth=2", 130.0, 131.0, used=0.9), base),
        variant_answer(NASTY, ("it fails",), runs(NASTY, None, None), base),
        variant_answer("void", (), [RunFigures(variant="void", seed=0, fault="void: late")], base),
    )
    return Answer(
        question="what if",
        baseline=baseline,
        variants=variants,
        links=worst_of_links(baseline, variants),
        provenance=Provenance(
            kernel="Linux",
            clock="virtual",
            shadowlab="0",
            seeds=(0, 1),
            seconds=25.0,
            scale_factor=1.0,
            scale_reason="",
            runs=8,
        ),
        promised=True,
        headline=headline(baseline, variants),
    )


def test_the_terminal_tells_the_worst_variant_and_its_levels() -> None:
    out = io.StringIO()

    render_answer(answer(), Console(file=out, width=200))

    text = out.getvalue()
    assert text.startswith("3 of 3 variants break a service level; the worst is fail=<script>")
    assert "cut off" in text
    assert "x>y" in text
    assert "growth=2" in text


def test_the_page_is_whole_and_holds_nothing_unescaped() -> None:
    files = answer_files(answer())

    page = files["report.html"].decode()
    assert page.count("<svg") == 2
    assert "<script>" not in page
    assert set(files) == {"answer.json", "report.html", "plots/variants.png", "plots/links.png"}
    assert files == answer_files(answer())


def test_the_json_says_what_follows_and_has_no_infinity() -> None:
    found = json.loads(answer_json(answer()))

    assert [one["verdict"] for one in found["variants"]] == ["breaks", "breaks", "no result"]
    assert [one["nearness"] for one in found["variants"]] == [1.305, None, 0.0]
    assert found["links"][0] == {
        "before": 0.5,
        "cause": "growth=2",
        "direction": "x>y",
        "is": "LinkWorst",
        "loss": 0.0,
        "worst": 0.9,
    }
    assert not found["holds"]
