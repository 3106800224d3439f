"""The application as a whole, asked over HTTP without a network."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from shadowlab.serve.jobs.keeper import Limits
from shadowlab.serve.web.access import Tokens
from shadowlab.serve.web.guard import HEADERS
from shadowlab.serve.web.openapi import openapi
from shadowlab.serve.web.operations import OPERATIONS

from .folders import a_run, a_watch, an_app

BASE = "http://127.0.0.1"
MARK = {"X-ShadowLab": "1"}
OPERATOR, READER = "operator-operator-1", "reader-reader-reader"
TOKENS = Tokens({OPERATOR: "operator", READER: "read-only"})


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shown")
    return a_run(folder / "run"), a_watch(folder / "watch")


@pytest.fixture(scope="module")
def client(shown: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with TestClient(an_app(*shown, scratch=tmp_path_factory.mktemp("scratch")), base_url=BASE) as found:
        yield found


@pytest.fixture
def guarded(shown: tuple[Path, Path], tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(an_app(*shown, scratch=tmp_path, tokens=TOKENS), base_url=BASE) as found:
        yield found


def test_every_reading_call_answers_for_a_run_and_for_a_watch(client: TestClient) -> None:
    document = openapi("1", guarded=True)
    reading = [one for one in OPERATIONS if one.path.startswith("/api/v1/sources/") and one.name != "incident"]

    for source, subject in (("run", None), ("watch", None)):
        subject = client.get(f"/api/v1/sources/{source}/paths").json()["paths"][0]["id"]
        for one in reading:
            query: dict[str, Any] = {"subject": subject, "kpi": ["srtt_ms" if source == "watch" else "loss"]}
            answer = client.get(one.path.format(source=source), params=query if one.name == "series" else {})
            assert answer.status_code == 200, (one.name, answer.text)
            assert one.answer is not None
            wanted = document["components"]["schemas"][one.answer.__name__]["properties"]
            assert set(answer.json()) == set(wanted)


def test_an_answer_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/api/v1/sources/run/map")

    again = client.get("/api/v1/sources/run/map", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/v1/sources/none", 404),
        ("/api/v1/sources/run/incidents/none", 404),
        ("/api/v1/sources/run/series", 400),
        ("/api/v1/sources/run/series?subject=none&kpi=loss", 404),
        ("/api/v1/sources/run/series?subject=a&subject=b&kpi=loss", 400),
        ("/api/v1/sources/run/series?subject=a&kpi=loss&points=1e9", 400),
        ("/api/v1/sources/run/series?subject=a&kpi=loss&from_s=nan", 400),
        ("/api/v1/sources/run/map?more=1", 400),
        ("/api/v1/sources/..%2f..%2fetc/map", 404),
        ("/api/v1/jobs/none", 404),
        ("/js/../../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
    ],
)
def test_what_is_wrong_with_a_request_is_told_as_a_problem(client: TestClient, url: str, status: int) -> None:
    answer = client.get(url)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_every_answer_has_the_headers_that_protect_a_browser(client: TestClient) -> None:
    for url in ("/", "/api/v1/sources", "/api/v1/none", "/metrics"):
        answer = client.get(url)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, url
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_a_foreign_name_a_foreign_page_and_a_large_body_are_refused(client: TestClient) -> None:
    body = {"source": "run", "scenarios": ["growth=1.5"]}

    assert client.get("/api/v1/sources", headers={"Host": "evil.example"}).status_code == 421
    assert client.post("/api/v1/jobs", json=body).status_code == 403
    assert client.post("/api/v1/jobs", json=body, headers=MARK | {"Origin": "http://evil.example"}).status_code == 403
    large = client.post("/api/v1/jobs", content=b"x" * 70_000, headers=MARK | {"Content-Type": "application/json"})
    assert large.status_code == 413
    pieces = client.post(
        "/api/v1/jobs", content=iter([b"x" * 40_000] * 2), headers=MARK | {"Content-Type": "application/json"}
    )
    assert pieces.status_code == 413
    assert client.put("/api/v1/jobs", headers=MARK).status_code == 405


def test_without_a_token_nothing_is_read_and_a_reader_may_not_ask(guarded: TestClient) -> None:
    body = {"source": "watch", "scenarios": ["growth=1.5"]}

    def status(token: str | None, method: str, url: str, **more: Any) -> int:
        headers = MARK | ({"Authorization": f"Bearer {token}"} if token else {})
        return guarded.request(method, url, headers=headers, **more).status_code

    for url in ("/api/v1/sources", "/metrics", "/api/v1/openapi.json", "/api/v1/events", "/api/v1/none"):
        assert status(None, "GET", url) == 401
        assert status(OPERATOR[:-1], "GET", url) == 401
    assert status(READER, "GET", "/api/v1/sources") == 200
    assert status(READER, "POST", "/api/v1/jobs", json=body) == 403
    assert status(READER, "DELETE", "/api/v1/jobs/1") == 403
    assert status(OPERATOR, "POST", "/api/v1/jobs", json=body) == 202


def test_a_browser_shows_its_token_once(guarded: TestClient) -> None:
    assert guarded.get("/api/v1/session").json()["needs_token"] is True

    refused = guarded.post("/api/v1/session", json={"token": "wrong"}, headers=MARK)
    taken = guarded.post("/api/v1/session", json={"token": READER}, headers=MARK)

    assert refused.status_code == 401
    assert taken.json()["role"] == "read-only"
    cookie = taken.headers["set-cookie"]
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/")) and READER not in cookie
    assert guarded.get("/api/v1/sources").status_code == 200
    assert guarded.delete("/api/v1/session", headers=MARK).json()["role"] is None
    assert guarded.get("/api/v1/sources").status_code == 401


def test_who_tries_tokens_waits(guarded: TestClient) -> None:
    tries = [guarded.post("/api/v1/session", json={"token": "x"}, headers=MARK) for _ in range(9)]

    assert [one.status_code for one in tries] == [401] * 8 + [429]
    assert int(tries[-1].headers["retry-after"]) > 0
    assert guarded.get("/api/v1/session").status_code == 200


def until(client: TestClient, job: str, *states: str) -> dict[str, Any]:
    for _ in range(2000):
        found: dict[str, Any] = client.get(f"/api/v1/jobs/{job}").json()
        if found["state"] in states:
            return found
        time.sleep(0.005)
    raise AssertionError(found)


def ask(client: TestClient, *scenarios: str) -> dict[str, Any]:
    answer = client.post("/api/v1/jobs", json={"source": "watch", "scenarios": scenarios}, headers=MARK)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_question_is_answered_by_a_child(client: TestClient) -> None:
    job = ask(client, "growth=1.5", "--out=/etc")

    done = until(client, job["id"], "done", "failed")

    assert (done["state"], done["holds"], done["headline"]) == ("done", False, "it breaks")
    assert client.get(f"/api/v1/jobs/{job['id']}/answer").json()["headline"] == "it breaks"
    assert client.get("/api/v1/jobs").json()["jobs"][0]["id"] == job["id"]


TELLS = """
import sys, time, json
print(json.dumps({"stage": "one"}), file=sys.stderr, flush=True)
print(json.dumps({"work": "w", "fraction": 0.5}), file=sys.stderr, flush=True)
if "wrong" in sys.argv[-1]:
    print("shadowlab: no link is called so", file=sys.stderr)
    sys.exit(2)
time.sleep(60)
"""


def test_children_are_stopped_by_wish_by_time_and_with_the_server(shown: tuple[Path, Path], tmp_path: Path) -> None:
    app = an_app(*shown, scratch=tmp_path, program=TELLS, limits=Limits(at_once=1, waiting=1, seconds=60))
    with TestClient(app, base_url=BASE) as client:
        first, second = ask(client, "growth=2")["id"], None
        running = until(client, first, "running")
        while running["fraction"] is None:
            running = client.get(f"/api/v1/jobs/{first}").json()
        second = ask(client, "growth=3")["id"]
        body = {"source": "watch", "scenarios": ["growth=4"]}
        busy = client.post("/api/v1/jobs", json=body, headers=MARK)
        waiting = client.get(f"/api/v1/jobs/{second}").json()
        client.delete(f"/api/v1/jobs/{first}", headers=MARK)
        stopped = until(client, first, "stopped")
        client.delete(f"/api/v1/jobs/{second}", headers=MARK)
        until(client, second, "stopped")
        failed = until(client, ask(client, "wrong=1")["id"], "failed")
        last = until(client, ask(client, "growth=2")["id"], "running")

    assert (running["stage"], running["fraction"]) == ("one", 0.5)
    assert busy.status_code == 429 and waiting["state"] == "waiting"
    assert stopped["ended_s"] is not None
    assert failed["error"] == "shadowlab: no link is called so"
    assert client.get("/api/v1/session").status_code == 200 and last["state"] == "running"
    assert not list(tmp_path.glob("answer-*"))


def test_a_child_beyond_its_time_is_stopped(shown: tuple[Path, Path], tmp_path: Path) -> None:
    app = an_app(*shown, scratch=tmp_path, program="import time; time.sleep(60)", limits=Limits(seconds=0.05))
    with TestClient(app, base_url=BASE) as client:
        found = until(client, ask(client, "growth=2")["id"], "timed out")

    assert "took more than" in found["error"]


def test_metrics_are_those_of_the_watches_and_the_servers_own(client: TestClient) -> None:
    text = client.get("/metrics").text

    assert 'shadowlab_cycles_total{watch="backbone"} 2.0' in text
    assert 'shadowlab_serve_sources{kind="run",state="finished"} 1.0' in text


def test_the_openapi_document_is_that_of_the_routes(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json").json()

    calls = {(path, method) for path, some in document["paths"].items() for method in some}
    assert calls == {(one.path, one.method.lower()) for one in OPERATIONS}
    for path, method in calls:
        url = path.replace("{source}", "run").replace("{incident}", "run").replace("{job}", "1")
        answer = client.request("HEAD" if method == "get" else "OPTIONS", url) if path != "/api/v1/events" else None
        assert answer is None or answer.status_code != 404 or path.startswith("/api/v1/jobs/"), path
    refs = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert refs <= set(document["components"]["schemas"])


def test_the_pages_files_are_served_and_no_others(shown: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page"
    (page / "js").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html>")
    (page / "js" / "main.js").write_text("1")
    (page / "__init__.py").write_text("secret = 1")
    (page / ".hidden.js").write_text("1")
    (page / "js" / "away.js").symlink_to("/etc/passwd")
    with TestClient(an_app(*shown, scratch=tmp_path, page=page), base_url=BASE) as client:
        found = {url: client.get(url) for url in ("/", "/js/main.js", "/__init__.py", "/.hidden.js", "/js/away.js")}

    assert [one.status_code for one in found.values()] == [200, 200, 404, 404, 404]
    assert found["/"].headers["content-type"] == "text/html; charset=utf-8"
    assert found["/js/main.js"].headers["content-type"] == "text/javascript; charset=utf-8"
