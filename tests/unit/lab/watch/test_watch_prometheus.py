"""A watch whose telemetry is Prometheus' answers alone: pairs of ends with round trips and counters."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarks.soaked.world import START_NS, FastClock, pretended_run, records, write_world
from shadowlab.errors import InputError
from shadowlab.lab.execute import Place
from shadowlab.lab.watch.loop import Loop, Said, configured
from shadowlab.lab.watch.notify.interface import Senders
from shadowlab.model.watch.cycle import Cycle

_FIELDS = ("srtt_ns", "bytes_acked", "data_segments_out", "retransmits_total", "segments_out", "busy_ns")
_SOURCE = """telemetry:
  prometheus:
    url: "URL"
    step: 30 s
    queries:
""" + "".join(
    f"      - {{query: 'sum by (src, dst) ({name})', field: {name}, instance: src, peer: dst}}\n" for name in _FIELDS
)
_RULES = "names:\n  - {match: '([a-d])\\.prod', node: '\\1'}\n"


@contextmanager
def _prometheus(broken_from_s: int) -> Iterator[str]:
    """Of the world's connections, by their ends' names."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            words = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            field = next(one for one in _FIELDS if f"({one})" in words["query"])
            series: dict[tuple[str, str], list[list[object]]] = {}
            at = round(float(words["start"]))
            while at <= float(words["end"]):
                moment_s = at - START_NS // 10**9 + 600
                told = records(moment_s, broken_s=max(0, moment_s - 600 - broken_from_s)).splitlines()
                ends = [json.loads(line) for line in told]
                for mine, theirs in zip(ends[::2], ends[1::2], strict=True):
                    key = (f"{mine['instance']}.prod:9100", f"{theirs['instance']}.prod")
                    series.setdefault(key, []).append([at, str(mine[field])])
                at += int(float(words["step"]))
            result = [{"metric": {"src": src, "dst": dst}, "values": some} for (src, dst), some in series.items()]
            body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _world(folder: Path, url: str) -> Path:
    path = write_world(folder)
    source = _SOURCE.replace("URL", url) + "telemetry_rules: rules.yaml\n"
    path.write_text(path.read_text().replace("telemetry: {file: live.jsonl}\n", source))
    (folder / "rules.yaml").write_text(_RULES)
    return path


def test_a_watch_lives_on_prometheus_and_places_a_fault_by_it(tmp_path: Path) -> None:
    cycles: list[Cycle] = []
    with _prometheus(broken_from_s=400) as url:
        config = configured(_world(tmp_path, url))
        Loop(
            config=config,
            place=Place(kind="embedded", clock="virtual", kernel=None),
            clock=FastClock(),
            senders=Senders(kinds=lambda: {"webhook": lambda one, receiver: None}).of(config.receivers),
            said=Said(cycle=cycles.append),
            make_run=pretended_run,
        ).run(12)

    assert cycles[0].status == "learning"
    assert cycles[1].connections == 8
    assert {one.verdict for one in cycles[1:6]} == {"confirmed"}
    assert "network broke" in {one.verdict for one in cycles[6:]}
    assert {one.link for one in cycles[-1].links if one.suspect} == {"r-s"}


def test_all_that_is_wrong_with_a_source_is_told_with_its_line(tmp_path: Path) -> None:
    path = _world(tmp_path, "http://me:secret@prometheus.example")
    text = path.read_text().replace("step: 30 s", "step: 1 ms\n    token_file: none")
    path.write_text(text.replace("field: busy_ns", "field: busyness"))

    with pytest.raises(InputError) as raised:
        configured(path)

    told = str(raised.value)
    assert "watch.yaml:6:" in told and "holds a password" in told
    assert "must lie between 1 s and 3600 s" in told
    assert "none is not a file" in told
    assert "'busyness' is no number of a record" in told
