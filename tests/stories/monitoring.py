"""Debian's Prometheus and Alertmanager as children of a test: on loopback, in folders of their own, stopped by pid."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
PATIENCE_S = 120
"""For busy machines; nothing here waits for so long when all is well."""


def programs() -> Path:
    """The folder that ``scripts/setup --tests`` fetched; skips the test where it did not."""
    own = os.environ.get("SHADOWLAB_CACHE")
    cache = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "shadowlab")
    folder = cache / "monitoring" / "bin"
    if not folder.with_name("complete").exists():
        pytest.skip("needs Debian's Prometheus and Alertmanager: scripts/monitoring fetches them")
    return folder


def free_port() -> int:
    """Of loopback; free when it was asked."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def get(port: int, path: str) -> Any:
    """The JSON of one GET, or the text of what is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise ConnectionError(f"{path} answered {answer.status}")
    return json.loads(text) if text[:1] in "[{" else text


def until(ask: Callable[[], T], holds: Callable[[T], bool], what: str) -> T:
    """Ask again and again, ten times a second, until the answer holds."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = ask()
            if holds(found):
                return found
            seen = repr(found)
        except OSError as error:
            seen = str(error)
        assert time.monotonic() < ends, f"{what}: still {seen}"
        time.sleep(0.1)


class Site:
    """Serves ``metrics`` to whoever asks, and keeps the JSON bodies that are posted."""

    def __init__(self) -> None:
        self.metrics = ""
        self.posted: queue.Queue[dict[str, Any]] = queue.Queue()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(site.metrics.encode())

            def do_POST(self) -> None:
                site.posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])

    @contextmanager
    def open(self) -> Iterator[Site]:
        """Serve until the block ends."""
        threading.Thread(target=self._server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()


@contextmanager
def _child(folder: Path, words: list[str], port: int) -> Iterator[int]:
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:

        def ready() -> str:
            assert child.poll() is None, (folder / "log").read_text()
            return str(get(port, "/-/ready"))

        until(ready, lambda _: True, f"{words[0]} is not ready")
        yield port
    finally:
        child.terminate()
        child.wait(PATIENCE_S)


@contextmanager
def alertmanager(folder: Path, webhook_port: int) -> Iterator[int]:
    """Its port.  It tells the webhook at once, and of changes every second."""
    program, port = programs() / "prometheus-alertmanager", free_port()
    folder.mkdir()
    config = {
        "route": {
            "receiver": "test",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [
            {
                "name": "test",
                "webhook_configs": [{"url": f"http://127.0.0.1:{webhook_port}/", "send_resolved": True}],
            }
        ],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    # Debian's program looks for its templates in /usr/share: it gets the unpacked ones, in a mount namespace.
    shown = 'mount --bind "$1" /usr/share && shift && exec "$@"'
    alone = [
        "unshare",
        "--mount",
        *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]),
        "sh",
        "-c",
        shown,
        "sh",
    ]
    words = [
        *alone,
        str(programs().with_name("share")),
        str(program),
        "--config.file=alertmanager.yml",
        "--storage.path=data",
        "--cluster.listen-address=",
    ]
    with _child(folder, [*words, f"--web.listen-address=127.0.0.1:{port}"], port):
        yield port


@contextmanager
def prometheus(folder: Path, *, target: int, alerts_to: int, rules: str) -> Iterator[int]:
    """Its port.  It scrapes ``/metrics`` of the target and judges the rules every second."""
    program, port = programs() / "prometheus", free_port()
    folder.mkdir()
    (folder / "rules.yaml").write_text(rules)
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "shadowlab", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alerts_to}"]}]}]},
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    words = [str(program), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with _child(folder, [*words, f"--web.listen-address=127.0.0.1:{port}"], port):
        yield port
