"""Tests as code: what the plugin says of networks that keep their levels, that do not, and that cannot be."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from shadowlab.guest.cache import cache_folder

pytest_plugins = ["pytester"]

CACHE = cache_folder()

MAP = """
shadowlab: map/1
name: office
nodes:
  web-1: {kind: host}
  db-1: {kind: host}
  r1: {kind: router}
  r2: {kind: router}
links:
  web: {ends: [web-1, r1], delay: 0.1 ms}
  core: {ends: [r1, r2], delay: 10 ms, rate: 20 Mbit}
  db: {ends: [db-1, r2], delay: 0.1 ms}
"""

TESTS = """
import pytest

from shadowlab.guest.cache import cache_folder

@pytest.mark.service_level("latency_p95_ms", 25, paths="web-*->db-1")
def test_kept(shadow):
    run = shadow("office.yaml", seed=3)
    assert run.paths == ("db-1→web-1", "web-1→db-1")
    assert 20.4 < run.values("latency_ms", "web-1->db-1")["web-1→db-1"] < 21
    times, values = run.series("loss", "web-1->db-1")
    assert len(times) == len(values) == 20 and not values.any()
    run.keeps("loss", 0)
    with pytest.raises(AssertionError, match="fits none of db-1→web-1"):
        run.keeps("loss", 0, paths="lax-*")

@pytest.mark.service_level("latency_p95_ms", 25)
def test_broken(shadow):
    shadow("office.yaml", duration="24 s", events=[{"at": "15 s", "degrade": "core", "delay": "30 ms"}])

def test_not_there(shadow):
    shadow("palace.yaml")

def test_misspelt(shadow):
    shadow("office.yaml", trafic=[])

@pytest.mark.service_level("latency_p59_ms", 25)
def test_misspelt_mark(shadow):
    pass

@pytest.mark.service_level("loss", 0)
def test_without_a_shadow():
    pass
"""


@pytest.mark.guest
def test_what_is_said_of_each(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWLAB_CACHE", str(CACHE))  # pytester gives its tests a home of their own
    (pytester.path / "office.yaml").write_text(MAP)
    pytester.makepyfile(TESTS)
    ran = pytester.runpytest_subprocess("--strict-markers", "--junitxml=junit.xml", "-p", "no:cacheprovider")
    ran.assert_outcomes(passed=1, failed=3, errors=2)
    ran.stdout.fnmatch_lines(
        [
            "*latency_p59_ms*is not an indicator of a path or a service*",
            "*the test runs no shadow*",
            "E *latency_p95_ms ≤ 25 is broken on 2 of 2",
            "E * db-1→web-1: median *, worst 6* in windows of 5 s; ??% broken, 0% tolerated",
            "E *▁*█*, 1 to 24 s",
            "E *report: *report.html",
            "*palace.yaml*",
            "*trafic*",
        ]
    )
    assert "Traceback" not in str(ran.stdout)
    cases = {case.get("name"): case for case in ElementTree.parse(pytester.path / "junit.xml").iter("testcase")}
    (kept,) = cases["test_kept"].iter("property")
    assert kept.get("name") == "latency_p95_ms web-*→db-1"
    assert 20.4 < float(kept.get("value", "nan")) < 22


def test_it_costs_other_tests_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_lean():
            assert "shadowlab.lab" not in sys.modules and "numpy" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
