"""A small receiver of Alertmanager's webhook: one path, one method, one token, bounded in everything.

In: where to listen.  Out: lines, when they are asked for.  Never: more than so many connections at once, so many bytes
of a body, so many seconds of a connection; a word about what is watched.
"""

from __future__ import annotations

import hmac
import http.server
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadowlab.errors import InputError
from shadowlab.lab.watch.trigger.alerts import Heard

MOST_BYTES = 1 << 20
MOST_CONNECTIONS = 8
PATIENCE_S = 15.0
"""Of a whole connection."""
MOST_WAITING = 1000


@dataclass(frozen=True, kw_only=True)
class TriggerConfig:
    """``token_file`` is read at every request.  Off loopback all three files are there: the watch file was checked."""

    host: str
    port: int
    token_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class Trigger:
    """What came in since it was last asked."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._lines: queue.Queue[str] = queue.Queue(MOST_WAITING)
        self._heard, self._lock, self._wake = Heard(), threading.Lock(), wake
        self.port = 0

    def take(self, body: bytes) -> int:
        """How many alerts of a message are new.  Raises ValueError for what is no message."""
        with self._lock:
            lines = self._heard.take(body)
        for one in lines:
            with suppress(queue.Full):  # a thousand reasons to look are enough
                self._lines.put_nowait(one)
        if lines:
            self._wake()
        return len(lines)

    def taken(self) -> list[str]:
        """The lines, each once."""
        found = []
        while True:
            try:
                found.append(self._lines.get_nowait())
            except queue.Empty:
                return found


@contextmanager
def listening(config: TriggerConfig, wake: Callable[[], None]) -> Iterator[Trigger]:
    """Listens until the block ends.  Raises InputError where it cannot."""
    trigger = Trigger(wake)
    where = f"{config.host}:{config.port}"
    try:
        server = _Server(config, trigger)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"trigger: {where} cannot be listened at: {why}; name another address or file") from error
    trigger.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield trigger
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 16

    def __init__(self, config: TriggerConfig, trigger: Trigger) -> None:
        self.config, self.trigger = config, trigger
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._tls: ssl.SSLContext | None = None
        if config.certificate_file is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(config.certificate_file, config.key_file)
        if ":" in config.host:
            self.address_family = socket.AF_INET6
        super().__init__((config.host, config.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """At most so many at once; the others are closed, and Alertmanager tries again."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        def end() -> None:
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

        deadline = threading.Timer(PATIENCE_S, end)
        deadline.daemon = True
        deadline.start()
        try:
            request.settimeout(PATIENCE_S)
            if self._tls is not None:
                request = self._tls.wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError:  # no TLS, or gone
            self.shutdown_request(request)
        finally:
            deadline.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever breaks off is no fault of ours."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "shadowlab", ""
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Alertmanager tries 5xx again, and nothing else."""
        self.close_connection = True
        try:
            known = self._knows_token()
        except OSError:
            self._say(503, "the token cannot be read")
            return
        if not known:
            self._say(401, "a token is wanted: http_config.authorization.credentials_file")
            return
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json":  # what a page in a browser cannot send unasked
            self._say(415, "expected application/json")
        elif not length.isdecimal() or len(length) > 10:
            self._say(411, "Content-Length is missing")
        elif int(length) > MOST_BYTES:
            self._say(413, f"larger than {MOST_BYTES} bytes")
        else:
            try:
                count = self.server.trigger.take(self.rfile.read(int(length)))
            except ValueError as error:
                self._say(400, str(error))
            else:
                self._say(202, f"{count} new")

    def _knows_token(self) -> bool:
        path = self.server.config.token_file
        if path is None:
            return True
        wanted = path.read_text(encoding="utf-8").strip().encode()
        given = self.headers.get("Authorization", "").removeprefix("Bearer ").strip().encode()
        return bool(wanted) and hmac.compare_digest(wanted, given)

    def _say(self, status: int, words: str) -> None:
        body = f"{words}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The loop tells what came."""
