"""The receiver's face: HTTPS that shows who is on the other side.

In: connections.  Out: answers of :class:`~shadowlab.replicate.receiving.intake.Intake`.
Never: a connection without a certificate of our authority past its handshake; one that takes a thread for ever; a body
read beyond its bound; a page, a file or a redirect.

The standard library's threaded server, because its connections are plain ``ssl`` sockets, which tell the peer's
certificate; of the servers for Python web applications those we know do not pass it on.  What it lacks is added here:
a bound on connections, a deadline for each handshake and each request, no handshake in the accepting thread.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any

from shadowlab.errors import CannotRunError, InputError
from shadowlab.kernel.clock import now_ns
from shadowlab.replicate.batch import CLOCK_PATH, MOST_PACKED_BYTES
from shadowlab.replicate.receiving.intake import Answer, Intake

MOST_CONNECTIONS = 256
HANDSHAKE_S = 10
IDLE_S = 90
"""Between two requests; agents read less often than that, and connect anew."""
REQUEST_S = 60
_LOOK_EVERY_S = 0.5
_SECOND_NS = 10**9
_DISCARDED = 4 * MOST_PACKED_BYTES
_STRANGER = "stranger"


def server_context(*, authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS 1.3; who shows no certificate of the authority is turned away.  Raises InputError for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # nothing is resumed: every connection shows its certificate
    try:
        context.load_verify_locations(authority)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        words = getattr(error, "strerror", None) or error
        raise InputError(f"{authority}, {certificate}, {key}: no certificates and key: {words}") from error
    return context


class Receiver(ThreadingHTTPServer):
    """Listens from its making on; :meth:`serve_forever` answers.  Use as a context manager."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        *,
        context: ssl.SSLContext,
        intake: Intake,
        most_connections: int = MOST_CONNECTIONS,
        handshake_s: float = HANDSHAKE_S,
        request_s: float = REQUEST_S,
    ) -> None:
        self.intake = intake
        self.request_s = request_s
        self._context = context
        self._handshake_s = handshake_s
        self._free = threading.BoundedSemaphore(most_connections)
        self._deadlines: dict[socket.socket, int] = {}
        self._deadlines_lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        try:
            super().__init__(address, _Requests)
        except OSError as error:
            raise CannotRunError(f"cannot listen on {address[0]} port {address[1]}: {error.strerror}") from error

    def server_bind(self) -> None:
        """Without the library's question to the name service."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """In the accepting thread: nothing that waits for the peer."""
        if not self._free.acquire(blocking=False):
            self.intake.count(_STRANGER, "too many connections", f"{client_address[0]} was turned away")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, from handshake to end."""
        try:
            self._serve(request, client_address)
        finally:
            self._free.release()

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            request.settimeout(self._handshake_s)
            with self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as secure:
                self.allow(secure, self._handshake_s)
                try:
                    secure.do_handshake()
                    secure.settimeout(self.request_s)
                    self.finish_request(secure, client_address)
                finally:
                    with self._deadlines_lock:
                        self._deadlines.pop(secure, None)
        except ssl.SSLError as error:
            self.intake.count(_STRANGER, "handshake", f"{client_address[0]}: {error.reason or error}")
        except OSError as error:  # the peer went away, or was too slow
            self.intake.count(_STRANGER, "connection lost", f"{client_address[0]}: {error.strerror or error}")
        except Exception:  # noqa: BLE001 - a defect of ours ends this connection and no other
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def allow(self, connection: socket.socket, seconds: float) -> None:
        """From now on the connection has so long."""
        with self._deadlines_lock:
            self._deadlines[connection] = now_ns() + int(seconds * _SECOND_NS)

    def service_actions(self) -> None:
        """Now and then, in the accepting thread: end what is beyond its deadline.

        Timeouts of a socket begin anew with every byte, so a peer that sends one a minute would never meet them."""
        moment = now_ns()
        with self._deadlines_lock:
            late = [one for one, deadline in self._deadlines.items() if deadline < moment]
            for one in late:
                del self._deadlines[one]
                try:
                    # On the descriptor: of the SSL object this would wait for its own thread.
                    socket.socket.shutdown(one, socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A defect of ours on one connection: counted, told, and the others go on."""
        import traceback

        self.intake.count(_STRANGER, "defect", traceback.format_exc())

    def serve(self) -> None:
        """Answer until interrupted."""
        self.serve_forever(poll_interval=_LOOK_EVERY_S)


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # an answer leaves in one piece
    server: Receiver
    connection: ssl.SSLSocket

    def handle_one_request(self) -> None:
        self.server.allow(self.connection, IDLE_S)
        super().handle_one_request()

    def parse_request(self) -> bool:
        self.server.allow(self.connection, self.server.request_s)
        return super().parse_request()

    def do_GET(self) -> None:
        if self.path != CLOCK_PATH:
            self.send_error(404, "there is no such place")
            return
        self._answer(self.server.intake.tell_time(self._certificate(), self.headers.get("Authorization", "")))

    def do_PUT(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            self.send_error(411, "the length of the batch is missing")
            return
        if len(length) > 12 or int(length) > MOST_PACKED_BYTES:
            self._discard(int(length[:12]))
            self.send_error(413, f"more than {MOST_PACKED_BYTES} bytes")
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            self.server.intake.count(_STRANGER, "connection lost", "a body broke off")
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(self.server.intake.put(self._certificate(), headers, self.path, body))

    def _discard(self, length: int) -> None:
        """Let a peer that sends too much finish, so that it hears our answer; but not for ever."""
        left = min(length, _DISCARDED)
        while left > 0 and (block := self.rfile.read(min(left, 65_536))):
            left -= len(block)

    def _certificate(self) -> dict[str, Any]:
        found: dict[str, Any] = self.connection.getpeercert() or {}
        return found

    def _answer(self, answer: Answer) -> None:
        text = json.dumps(answer.document).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if answer.retry_s:
            self.send_header("Retry-After", str(answer.retry_s))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Every refusal before the intake is asked, the library's own ones included."""
        words = message or "refused"
        self.close_connection = True
        self.server.intake.count(_STRANGER, f"HTTP {code}", words[:200])
        self._answer(Answer(code, {"error": words[:200]}))

    def version_string(self) -> str:
        return "shadowlab"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing per request: the intake counts."""


def hold_folder(folder: Path) -> Callable[[], None]:
    """Make the folder and lock it, until what is returned is called.  Raises InputError if another receiver has it."""
    import fcntl

    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written to: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise InputError(f"another receiver writes to {folder}; give each its own with --folder") from error
    return lambda: os.close(lock)
