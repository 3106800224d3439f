"""The scenario that ShadowLab ships: the right link, the right cure, a report; one run of half a minute."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from user_command import Ended, run

from shadowlab import __version__
from shadowlab.guest.cache import find_kernel

pytestmark = [pytest.mark.story, pytest.mark.guest]

SCENARIO = Path(__file__).parents[2] / "topologies" / "abilene-incident.yaml"


@dataclass(frozen=True)
class Demo:
    ended: Ended
    out: Path
    result: dict[str, Any]
    manifest: dict[str, Any]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    done = run("run", str(SCENARIO), "--out", "out", folder=folder)
    assert done.code in (0, 1), done.stderr
    out = folder / "out"
    return Demo(
        ended=done,
        out=out,
        result=json.loads((out / "result.json").read_text()),
        manifest=json.loads((out / "manifest.json").read_text()),
    )


def test_the_demo_ends_well_and_says_where_the_report_lies(demo: Demo) -> None:
    assert (demo.ended.code, demo.ended.stderr) == (0, "")
    assert demo.ended.stdout.endswith("\nReport: out/report/report.html\n")


def test_the_degraded_link_is_named_and_nothing_else(demo: Demo) -> None:
    domain = demo.result["fault_domain"]

    assert domain["links"] == ["kan-ind"]
    assert domain["kind"] == "loss"
    assert domain["confidence"] > 0.9
    assert 145e9 <= domain["onset_ns"] <= 165e9


def test_the_cures_were_rehearsed_doing_nothing_among_them_and_leading_around_is_best(demo: Demo) -> None:
    by_rank = [one["cure"] for one in demo.result["cures"]]

    assert by_rank[0] == "reroute"
    assert sorted(by_rank) == ["do nothing", "enable-fec", "reroute", "upgrade x2"]
    assert {one["cure"]: one["note"] for one in demo.result["cures"]} == dict.fromkeys(by_rank, "")
    best = demo.result["cures"][0]
    assert best["recovered"] > 0.9
    assert best["steps"]
    assert best["roll_back"]


def test_the_expectations_of_the_scenario_are_met(demo: Demo) -> None:
    assert demo.result["expectations"] == {"the best cure is reroute": True, "the fault domain is kan-ind": True}
    assert demo.result["holds"] is True


def test_production_did_what_the_shadow_did(demo: Demo) -> None:
    assert demo.result["correlation"]["verdict"] == "confirmed"


def test_the_demo_is_as_large_as_promised(demo: Demo) -> None:
    hosts = [one for one in demo.result["network"]["nodes"] if one["kind"] == "host"]

    assert len(hosts) >= 12
    assert len(demo.result["flows"]) >= 40
    assert demo.result["duration_ns"] >= 300e9
    assert demo.result["scaling"]["factor"] == 1


def test_the_manifest_says_what_the_result_stands_on(demo: Demo) -> None:
    kernel = find_kernel("virtual")
    assert kernel is not None
    manifest = demo.manifest

    assert {name: manifest[name] for name in ("seed", "clock", "kernel_kind", "kernel", "shadowlab", "valid")} == {
        "seed": 1,
        "clock": "virtual",
        "kernel_kind": "embedded",
        "kernel": f"Linux {kernel.version} (embedded, {kernel.key})",
        "shadowlab": __version__,
        "valid": True,
    }
    assert manifest["validity"].startswith("virtual clock: ")
    assert re.fullmatch(r"3\.\d+\.\d+.*", manifest["python"])
    assert manifest["scenario"] == str(SCENARIO)
    assert set(manifest["wall_seconds"]) == {"main run", "null model", "ablation", "rehearsals", "whole run"}
    provenance = demo.result["provenance"]
    assert (provenance["seed"], provenance["clock"], provenance["valid"]) == (1, "virtual", True)
    assert provenance["probes_sent"] > 25 * 5 * 290
    assert provenance["tcp_samples"] >= 300 * 44


def test_the_report_is_one_file_that_needs_nothing_else(demo: Demo) -> None:
    page = (demo.out / "report" / "report.html").read_text()

    assert "kan-ind: loss since" in page
    assert "Best rehearsed cure: reroute" in page
    for tag, attribute in (("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("image", "href")):
        for value in re.findall(rf"<{tag}\b[^>]*\b{attribute}=[\"']([^\"']*)", page):
            assert value.startswith(("data:", "#")), f"{tag} {value[:80]}"
    assert not re.search(r"@import|url\((?![\"']?(data:|#))", page)


def test_the_indicators_are_whole(demo: Demo) -> None:
    for name in ("paths.csv", "links.csv"):
        rows = (demo.out / name).read_text().splitlines()
        subjects = {row.split(",")[1] for row in rows[1:]}
        assert rows[0].startswith("time_s,subject,")
        assert len(rows) - 1 == 300 * len(subjects), name


@pytest.mark.slow
def test_it_ends_with_what_is_coming_and_what_would_happen_if(tmp_path: Path) -> None:
    root = SCENARIO.parents[1]
    asked = re.findall(r"^ahead (.*)$", (root / "scripts" / "demo").read_text(), re.MULTILINE)

    words = [[word.replace("topologies/", f"{root}/topologies/") for word in one.split()] for one in asked]
    forecast, whatif = (run(*one, folder=tmp_path) for one in words)

    assert (forecast.code, whatif.code) == (1, 1)
    assert re.match(r"chi>ind breaks \w+ .* in 3 h \d+ min \(80 %: 3 h .*\)\n", forecast.stdout)
    assert re.search(r"^growth=2 +breaks ", whatif.stdout, re.MULTILINE)
    assert re.search(r"^fail=chi-ind +(holds|unsure) ", whatif.stdout, re.MULTILINE)
