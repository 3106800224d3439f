"""The web page in a real browser, as an operator uses it: Chromium without a screen, the page under its own policy."""

from __future__ import annotations

import json
import shutil
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from user_command import PATIENCE_S, processes_of, run, small_scenario, start

from scripts import pack_page
from tests.stories.page_documents import fabric, small
from tests.stories.page_stand_in import TOKEN, job_of, standing_in

AXE = {
    "package": "axe-core",
    "version": "4.14.1",
    "integrity": "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
}
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1366, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium")
    assert found, "no chromium: scripts/setup --tests installs it"
    assert pack_page.packed(), "the page lacks its libraries: scripts/setup says why"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield started
        started.close()


@contextmanager
def place_of(browser: Browser) -> Iterator[Page]:
    """An empty page of its own, whose complaints do not count."""
    place = browser.new_context(viewport=DESK)
    try:
        yield place.new_page()
    finally:
        place.close()


@contextmanager
def opened(browser: Browser, address: str, **context: Any) -> Iterator[Page]:
    """The page, drawn; whatever the browser complains of while the block lasts is a failure."""
    complaints: list[str] = []
    place = browser.new_context(**({"viewport": DESK} | context))
    shown = place.new_page()
    shown.set_default_timeout(20_000)
    shown.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    shown.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        shown.goto(address)
        expect(shown.locator("#situation")).to_have_attribute("aria-busy", "false")
        shown.wait_for_selector("#charts canvas")
        yield shown
        assert complaints == []
    finally:
        place.close()


def test_an_operator_sees_what_is_broken_looks_closer_and_asks_what_if(browser: Browser) -> None:
    with standing_in(*small()) as server, opened(browser, server.address) as page:
        # The worst of several sources comes first, and the situation answers in order.
        expect(page.locator("h1")).to_have_text("r1-r2: loss since 2:30")
        questions = page.locator("#answers dt").all_inner_texts()
        assert questions == ["What is broken", "Where", "Since", "How sure", "What to do", "What it would do"]
        answers = page.locator("#answers .first").all_inner_texts()
        assert answers == [
            "delivery on 1 of 6 paths",
            "r1-r2",
            "2:30 of the run",
            "97 % that it is there",
            "reroute",
            "25 % → 0 % of windows broken",
        ]
        expect(page.locator("#state")).to_contain_text("shadow doubtful")

        # The map shows what the fault shows in; by keyboard from link to link, the fault domain first.
        expect(page.locator("#map-metric input:checked")).to_have_value("loss")
        expect(page.locator("#legend")).to_contain_text("fault domain")
        page.locator("#map").focus()
        page.keyboard.press("n")
        expect(page.locator("#spoken")).to_have_text("r1-r2, Loss 3 %, in the fault domain")
        page.keyboard.press("Enter")
        expect(page.locator("#subject")).to_have_value("link r1>r2")
        expect(page.locator("#charts figure")).to_have_count(2)
        page.locator("#map-metric label", has_text="Fidelity").click()
        expect(page.locator("#legend")).to_contain_text("not to be trusted")

        # Every panel has something to say.
        expect(page.locator(".timeline li")).to_have_count(3)
        expect(page.locator(".cure.best")).to_contain_text("25 %")
        page.locator(".cure.best summary", has_text="The way back").click()
        expect(page.locator(".cure.best .steps:visible")).to_contain_text("1000 -> 10")
        expect(page.locator("#forecast")).to_contain_text("1.3 times today's (1.1 to 1.6, 80 % sure)")
        page.get_by_role("checkbox", name="only what is affected").check()
        expect(page.locator("#tables tbody tr")).to_have_count(3)

        # A question becomes a run; its progress and its end are heard.
        page.get_by_label("What happens").select_option("fail")
        page.get_by_role("button", name="Try it in the shadow").click()
        expect(page.locator(".job")).to_contain_text("waiting")
        assert server.asked == [{"source": "net-1", "scenarios": ["fail=r1-r2"], "each": False}]
        job = job_of("j1", **server.asked[0])
        server.tell("job", job | {"state": "running", "stage": "the baseline", "fraction": 0.4})
        expect(page.locator(".job")).to_contain_text("the baseline, 40 %")
        server.tell("job", job | {"state": "failed", "error": "no such link r1-r9"})
        expect(page.locator(".job")).to_contain_text("no such link r1-r9")

        # News do not take away what somebody types or has opened.
        page.locator("#incidents summary").first.click()
        page.locator("#tables").get_by_role("textbox").fill("r1")
        page.locator("#tables").get_by_role("textbox").press("End")
        server.documents["sources/net-1/paths"]["paths"][0]["state"] = "off"
        server.documents["sources/net-1/incidents"]["incidents"][0]["title"] = "r1-r2: worse"
        server.tell("source", server.documents["sources"]["sources"][1] | {"revision": "2"})
        expect(page.locator("#incidents h3").first).to_have_text("r1-r2: worse")
        expect(page.locator("#incidents details").first).not_to_have_attribute("open", "")
        page.keyboard.type("-r2")
        expect(page.locator("#tables").get_by_role("textbox")).to_have_value("r1-r2")

        # What happens meanwhile is said; another source, another theme.
        server.tell(
            "incident",
            {
                "source": "net-1",
                "incident": "run",
                "severity": "critical",
                "title": "r1-r2",
                "entry": {"at_s": 1, "kind": "updated", "text": "worse"},
            },
        )
        expect(page.locator("#spoken")).to_have_text("net: r1-r2. updated: worse")
        page.get_by_role("button", name="Theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "light")
        page.locator("#source").select_option("calm-1")
        expect(page.locator("h1")).to_have_text("Everything holds.")
        expect(page.locator("#cures")).to_contain_text("Nothing is broken")


@pytest.mark.slow
@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_nobody_is_shut_out_of_the_page(browser: Browser, viewport: dict[str, int], scheme: str) -> None:
    with tarfile.open(pack_page.archive(AXE)) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        axe = member.read().decode()

    with (
        standing_in(*small()) as server,
        opened(browser, server.address, viewport=viewport, color_scheme=scheme, bypass_csp=True) as page,
    ):
        for summary in page.locator("summary").all():
            if not summary.evaluate("element => element.parentElement.open"):
                summary.click()
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert [
        (one["id"], one["impact"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]
    ] == []
    assert wide == 0


@pytest.mark.slow
def test_a_server_that_asks_for_a_token_gets_one_and_a_reader_starts_no_runs(browser: Browser) -> None:
    documents, series = small()
    documents["session"] = {"role": None, "needs_token": True, "version": "0"}

    with standing_in(documents, series) as server, place_of(browser) as page:
        page.goto(server.address)
        page.get_by_label("it asks for a token").fill("a guess")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text="not known here")).to_be_visible()
        page.get_by_label("it asks for a token").fill(TOKEN)
        page.keyboard.press("Enter")

        expect(page.locator("h1")).to_have_text("r1-r2: loss since 2:30")
        expect(page.locator("#whatif")).to_contain_text("may only read")


@pytest.mark.slow
def test_what_the_server_cannot_tell_is_said_and_not_made_up(browser: Browser) -> None:
    documents, series = small()
    documents["sources/net-1"] |= {"fidelity": None, "levels": [], "state": "going on", "headline": "", "valid": None}
    documents["sources/net-1/paths"] = {"paths": []}
    documents["sources/net-1/incidents"] = {"incidents": []}
    unknown = dict.fromkeys(("utilisation", "loss", "latency_ms", "fidelity", "rate_bps"))
    for link in documents["sources/net-1/map"]["links"]:
        link["directions"] = [one | unknown for one in link["directions"]]
    del documents["sources/net-1/forecast"]
    drawn = documents.pop("sources/net-1/map")

    with standing_in(documents, series) as server, place_of(browser) as page:
        page.goto(server.address)
        expect(page.locator("#trouble")).to_have_text("net-1 cannot be shown: there is no sources/net-1/map")
        server.documents["sources/net-1/map"] = drawn
        page.reload()

        expect(page.locator("h1")).to_have_text("Nothing is known yet.")
        expect(page.locator("#legend")).to_contain_text("not known")
        expect(page.locator("#forecast")).to_contain_text("there is no sources/net-1/forecast")
        expect(page.locator("#tables")).to_contain_text("Paths: 0")
        assert "NaN" not in page.locator("body").inner_text()
        assert "undefined" not in page.locator("body").inner_text()


@pytest.mark.slow
def test_the_whole_page_is_reached_by_the_tab_key_and_the_focus_is_seen(browser: Browser) -> None:
    with standing_in(*small()) as server, opened(browser, server.address) as page:
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            told = page.evaluate("""() => {
                const element = document.activeElement;
                const drawn = element.matches('.switch input') ? element.nextElementSibling : element;
                const name = element.id || element.className || element.tagName;
                return [name, getComputedStyle(drawn).outlineStyle, element === document.body];
            }""")
            if told[2]:
                break
            reached.append(told)

    assert {"source", "theme", "map", "zoom-in", "subject", "scenario"} <= {name for name, *_ in reached}
    assert [name for name, outline, _ in reached if outline == "none"] == []


@pytest.mark.slow
def test_a_thousand_nodes_are_drawn_and_moved(browser: Browser) -> None:
    documents = fabric(spines=8, leaves=48, hosts=20)
    assert len(documents[0]["sources/net-1/map"]["nodes"]) > 1000

    with standing_in(*documents) as server, opened(browser, server.address) as page:
        drawn = page.evaluate("shadowlabMap.graph.elements('edge.domain').length")
        page.locator("#map").focus()
        before = page.evaluate("shadowlabMap.graph.pan()")
        page.keyboard.press("ArrowLeft")
        after = page.evaluate("shadowlabMap.graph.pan()")
        page.keyboard.press("n")
        spoken = page.locator("#spoken").inner_text()

    assert drawn == 1
    assert after["x"] == before["x"] + 60
    assert spoken == "s1-l1, Loss 3 %, in the fault domain"


@pytest.mark.slow
@pytest.mark.story
@pytest.mark.guest
def test_a_run_is_served_looked_at_and_asked(browser: Browser, tmp_path: Path) -> None:
    small_scenario(tmp_path)
    done = run("run", "incident.yaml", "--json", folder=tmp_path)
    result = json.loads(done.stdout)
    server = start("serve", "runs", "--port", "0", folder=tmp_path)
    assert server.stdout is not None

    with opened(browser, server.stdout.readline().strip()) as page:
        expect(page.locator("h1")).to_have_text(result["headline"])
        expect(page.locator("#link-words")).to_have_text("live")
        drawn = page.evaluate("shadowlabMap.graph.nodes('.router, .host').length")
        suspected = page.evaluate("shadowlabMap.graph.edges('.domain').map(edge => edge.data('link'))")
        names = page.locator(".cure h3").all_inner_texts()
        best = result["cures"][0]["cure"]
        page.locator("#scenario").fill("fail=north-south")
        page.get_by_role("button", name="Try it in the shadow").click()
        expect(page.locator(".job summary")).to_have_text("The answer", timeout=PATIENCE_S * 1000)
        page.locator(".job summary").click()
        expect(page.locator(".job table tbody tr").first).to_be_visible()
        page.locator("#scenario").fill("fail=nowhere")
        page.get_by_role("button", name="Try it in the shadow").click()
        expect(page.locator(".job .notice, #whatif-trouble:visible")).to_contain_text(
            "nowhere", timeout=PATIENCE_S * 1000
        )

    server.send_signal(signal.SIGINT)
    server.communicate(timeout=PATIENCE_S)
    assert drawn == len(result["network"]["nodes"])
    assert suspected == result["fault_domain"]["links"]
    assert names[0] == f"1. {best}"
    assert processes_of(tmp_path) == []
    assert list((tmp_path / "tmp").iterdir()) == []
