"""A server for the page alone: the page's own files under the page's own policy, and documents that the test writes.

In: documents by address, as in docs/reference/api.md.  Out: a server on loopback.  Never: ShadowLab's server: what that
answers is tried with it; here it is the page that is tried, with whatever a test wants it to see.
"""

from __future__ import annotations

import json
import mimetypes
import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from shadowlab.serve import page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
API = "/api/v1/"
TOKEN = "let me read"


def job_of(name: str, **told: Any) -> dict[str, Any]:
    """A job that waits, and what is told of it."""
    unknown = dict.fromkeys(("began_s", "ended_s", "fraction", "holds"))
    silent = dict.fromkeys(("stage", "error", "headline"), "")
    return {"id": name, "state": "waiting", "asked_s": 1.0e9, "works": [], **unknown, **silent, **told}


class StandIn:
    """``documents`` by address below ``/api/v1/``; ``series`` by ``KIND SUBJECT``; ``asked`` holds what was posted."""

    def __init__(self, documents: Mapping[str, Any], series: Mapping[str, Any]) -> None:
        self.documents = dict(documents)
        self.series = dict(series)
        self.asked: list[Any] = []
        self.address = ""
        self._listeners: list[queue.Queue[bytes | None]] = []

    def tell(self, event: str, data: Any) -> None:
        """Send an event to every open page."""
        words = f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()
        for listener in list(self._listeners):
            listener.put(words)

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> tuple[int, Any]:
        """Status and document."""
        name = path.removeprefix(API)
        if method == "POST" and name == "session":
            if body["token"] != TOKEN:
                return 401, {"title": "Unauthorized", "detail": "no such token"}
            self.documents["session"] = {"role": "read-only", "needs_token": True, "version": "0"}
            return 200, self.documents["session"]
        if method == "POST" and name == "jobs":
            self.asked.append(body)
            return 202, job_of(f"j{len(self.asked)}", **body)
        if name.endswith("/series"):
            found = self.series.get(f"{query['kind'][0]} {query['subject'][0]}")
        else:
            found = self.documents.get(name)
        return (404, {"title": "Not found", "detail": f"there is no {name}"}) if found is None else (200, found)

    @contextmanager
    def listening(self) -> Iterator[queue.Queue[bytes | None]]:
        own: queue.Queue[bytes | None] = queue.Queue()
        self._listeners.append(own)
        try:
            yield own
        finally:
            self._listeners.remove(own)

    def end(self) -> None:
        """Let go of all listeners."""
        for listener in list(self._listeners):
            listener.put(None)


@contextmanager
def standing_in(documents: Mapping[str, Any], series: Mapping[str, Any]) -> Iterator[StandIn]:
    """The server, as long as the block lasts."""
    stand_in = StandIn(documents, series)

    class Handler(_Handler):
        server_of = stand_in

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stand_in.address = f"http://127.0.0.1:{server.server_address[1]}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.end()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server_of: StandIn

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == f"{API}events":
            self._events()
        elif url.path.startswith(API):
            self._api("GET")
        else:
            self._file(unquote(url.path))

    def do_POST(self) -> None:
        self._api("POST")

    def _api(self, method: str) -> None:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if method != "GET" and self.headers.get("X-ShadowLab") != "1":
            self._send(403, "application/json", b'{"title": "Forbidden", "detail": "the header is missing"}')
            return
        status, document = self.server_of.answer(method, unquote(url.path), parse_qs(url.query), body)
        self._send(status, "application/json", json.dumps(document).encode())

    def _file(self, path: str) -> None:
        file = (page.FOLDER / (path.lstrip("/") or "index.html")).resolve()
        if not file.is_file() or page.FOLDER.resolve() not in file.parents:
            self._send(404, "text/plain", b"")
            return
        self._send(200, mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes())

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b'event: hello\ndata: {"version": "0", "role": "operator"}\n\n')
        with self.server_of.listening() as listener:
            while (words := listener.get()) is not None:
                try:
                    self.wfile.write(words)
                    self.wfile.flush()
                except OSError:
                    return

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silence."""
