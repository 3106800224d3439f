"""Prometheus, asked: what is sent to it, what becomes of its answers, and what is said when it gives none."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shadowlab.errors import InputError
from shadowlab.lab.watch.sources import Asker
from shadowlab.model.telemetry import TcpRecord
from shadowlab.telemetry.live.http import Site, site_fault
from shadowlab.telemetry.live.prometheus import MOST_STEPS, PrometheusSource, Query, ask
from shadowlab.telemetry.tally import Tally

_S = 10**9
Reply = tuple[int, dict[str, str], bytes]


class Pretended:
    """Answers as ``reply`` says, on loopback; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.reply: Callable[[dict[str, str]], Reply] = lambda _: (200, {}, answer())
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                words = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                outer.asked.append(words)
                outer.headers.append({"path": urlsplit(self.path).path, **self.headers})
                status, headers, body = outer.reply(words)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # whoever asked had enough
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.site = Site(base=f"http://127.0.0.1:{self.server.server_address[1]}")


@pytest.fixture(scope="module")
def _server() -> Iterator[Pretended]:
    one = Pretended()
    threading.Thread(target=one.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def there(_server: Pretended) -> Pretended:
    _server.asked.clear()
    _server.headers.clear()
    _server.reply = lambda _: (200, {}, answer())
    return _server


def answer(*series: tuple[dict[str, str], list[list[Any]]]) -> bytes:
    result = [{"metric": labels, "values": values} for labels, values in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def _asked(
    site: Site, *queries: Query, from_s: int = 100, to_s: int = 130, tally: Tally | None = None
) -> list[TcpRecord]:
    source = PrometheusSource(site=site, queries=queries, step_ns=15 * _S)
    return list(ask(source, from_s * _S, to_s * _S, now_ns=lambda: 0, tally=tally or Tally("x")))


def test_series_of_known_exporters_are_read_by_their_names(there: Pretended) -> None:
    labels = {"__name__": "node_netstat_Tcp_RetransSegs", "instance": "web:9100"}
    there.reply = lambda _: (200, {}, answer((labels, [[100, "7"], [115, "9"]])))

    found = _asked(there.site, Query(query="node_netstat_Tcp_RetransSegs"))

    assert [(one.scope, one.instance, one.at_ns, one.retransmits_total) for one in found] == [
        ("host", "web", 100 * _S, 7),
        ("host", "web", 115 * _S, 9),
    ]
    assert there.asked == [
        {"query": "node_netstat_Tcp_RetransSegs", "start": "100.000", "end": "130.000", "step": "15.000"}
    ]
    assert there.headers[0]["path"] == "/api/v1/query_range"


def test_any_expression_becomes_a_field_of_a_pair_and_queries_meet_in_one_record(there: Pretended) -> None:
    ends = {"src": "web:9100", "dst": "db"}

    def reply(words: dict[str, str]) -> Reply:
        return 200, {}, answer((ends, [[100, "0.025" if "rtt" in words["query"] else "5000"]]))

    there.reply = reply
    rtt = Query(query="avg by (src, dst) (rtt)", field="srtt_ns", times=1e9, instance="src", peer="dst")
    moved = Query(query="sum by (src, dst) (bytes)", field="bytes_acked", instance="src", peer="dst")

    (found,) = _asked(there.site, rtt, moved)

    assert (found.scope, found.instance, found.peer) == ("pair", "web", "db")
    assert (found.srtt_ns, found.bytes_acked) == (25_000_000, 5000)


def test_what_has_no_ends_or_no_number_is_counted_and_left_out(there: Pretended) -> None:
    good = {"src": "web", "dst": "db"}
    there.reply = lambda _: (200, {}, answer(({"src": "web"}, [[100, "1"]]), (good, [[100, "-1"], [115, "NaN"]])))
    tally = Tally("x")

    found = _asked(there.site, Query(query="q", field="srtt_ns", instance="src", peer="dst"), tally=tally)

    assert found == []
    assert tally.passed_over == {"a series without the labels that name its ends": 1}
    assert tally.unreadable == 1


def test_a_long_range_is_asked_in_parts_that_prometheus_gives_and_no_moment_twice(there: Pretended) -> None:
    _asked(there.site, Query(query="up"), from_s=0, to_s=15 * (MOST_STEPS + 3))

    assert [(one["start"], one["end"]) for one in there.asked] == [
        ("0.000", f"{15 * (MOST_STEPS - 1)}.000"),
        (f"{15 * MOST_STEPS}.000", f"{15 * (MOST_STEPS + 3)}.000"),
    ]


def test_the_token_is_sent_as_it_stands_in_its_file_now(there: Pretended, tmp_path: Path) -> None:
    token = tmp_path / "token"
    site = replace(there.site, token_file=token)
    for words in ("one\n", "two\n"):
        token.write_text(words)
        _asked(site, Query(query="up"))

    assert [one["Authorization"] for one in there.headers] == ["Bearer one", "Bearer two"]
    token.unlink()
    with pytest.raises(InputError, match="the token cannot be read"):
        _asked(site, Query(query="up"))


_BAD = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}).encode()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((400, {}, _BAD), "does not answer 'up[': bad_data: parse error"),
        ((401, {}, b""), "it wants to know who asks: give a `token_file`"),
        ((404, {}, b"nothing here"), "what stands before /api/v1"),
        ((200, {}, b"<html>hello"), "not as Prometheus does: '<html>hello'"),
        ((302, {"Location": "http://10.0.0.1/"}, b""), "'http://10.0.0.1/', which is not followed"),
        ((200, {}, b"{" + b" " * 3_000_000), "more than 1 MB: ask for less"),
    ],
)
def test_an_answer_that_is_none_names_the_address_and_the_cure(there: Pretended, reply: Reply, words: str) -> None:
    there.reply = lambda _: reply

    with pytest.raises(InputError) as raised:
        _asked(replace(there.site, most_bytes=1 << 20), Query(query="up["))

    assert there.site.base in str(raised.value)
    assert words in str(raised.value)


def test_one_that_trickles_is_given_up(there: Pretended) -> None:
    passed = iter(range(0, 10**6, 15))

    source = PrometheusSource(site=there.site, queries=(Query(query="up"),), step_ns=15 * _S)
    with pytest.raises(InputError, match="did not answer in full within 20 s"):
        list(ask(source, 100 * _S, 130 * _S, now_ns=lambda: next(passed) * 2 * _S, tally=Tally("x")))


def test_one_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9: cannot be asked: .*is it running"):
        _asked(Site(base="http://127.0.0.1:9"), Query(query="up"))


@pytest.mark.parametrize(
    ("url", "with_token", "words"),
    [
        ("http://127.0.0.1:9090", True, ""),
        ("https://prometheus.example/prom", True, ""),
        ("http://prometheus.example", False, ""),
        ("http://prometheus.example", True, "in the clear"),
        ("http://me:secret@prometheus.example", False, "password"),
        ("ftp://prometheus.example", False, "scheme http or https"),
        ("http://127.0.0.1:port", False, "like http://127.0.0.1:9090"),
        ("http://127.0.0.1/?x=1", False, "ends with its path"),
    ],
)
def test_an_address_is_judged_before_it_is_spoken_to(url: str, with_token: bool, words: str) -> None:
    found = site_fault(url, with_token=with_token)

    assert words in found if words else not found


def test_a_watch_asks_for_each_step_once_and_again_for_what_it_did_not_get(there: Pretended) -> None:
    now_s = [1000]
    asker = Asker(
        source=PrometheusSource(site=there.site, queries=(Query(query="up"),), step_ns=15 * _S),
        back_ns=60 * _S,
        now_ns=lambda: 0,
        wall_ns=lambda: now_s[0] * _S,
    )
    list(asker.look())
    list(asker.look())
    now_s[0] = 1031
    there.reply = lambda _: (503, {}, b"later")
    list(asker.look())
    there.reply = lambda _: (200, {}, answer())
    list(asker.look())
    now_s[0] = 10_000
    list(asker.look())

    ranges = [(one["start"], one["end"]) for one in there.asked]
    assert ranges == [("930.000", "990.000"), *[("1005.000", "1020.000")] * 2, ("9930.000", "9990.000")]
    assert asker.missed == 1
    assert "answers 503" in asker.last_fault
