"""``shadowlab serve`` as a user starts it: TLS, tokens, its end; and what schemathesis makes of its document."""

from __future__ import annotations

import http.client
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shadowlab.errors import EXIT_INPUT, EXIT_OK

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from serve.folders import a_run, a_watch

pytestmark = [pytest.mark.story, pytest.mark.slow]
TOKEN = "operator-operator-1"


@contextmanager
def served(*words: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address that it tells, and the process."""
    argv = [sys.executable, "-m", "shadowlab", "serve", *map(str, words), "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()
            process.communicate(timeout=30)


def status(url: str, path: str, context: ssl.SSLContext | None = None, **headers: str) -> int:
    where = urlsplit(url)
    connection = (
        http.client.HTTPSConnection("127.0.0.1", where.port, context=context)
        if context
        else http.client.HTTPConnection("127.0.0.1", where.port)
    )
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_it_ends_at_once_and_without_a_trace_while_somebody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with served(a_watch(tmp_path / "watch")) as (url, process):
        assert list(tmp_path.glob("shadowlab-serve-*"))
        listener = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port)
        listener.request("GET", "/api/v1/events")
        answer = listener.getresponse()
        first = answer.readline()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)
        answer.close()
        listener.close()

    assert first == b"retry: 2000\n"
    assert code == EXIT_OK
    assert not list(tmp_path.glob("shadowlab-serve-*"))


def test_beyond_this_machine_it_wants_token_and_certificate(tmp_path: Path) -> None:
    folder = a_watch(tmp_path / "watch")
    bare = subprocess.run(
        [sys.executable, "-m", "shadowlab", "serve", folder, "--host", "0.0.0.0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert bare.returncode == EXIT_INPUT and "--token-file" in bare.stderr and "--cert" in bare.stderr

    for words in (("init",), ("issue", "--server", "lab.example")):
        command = [sys.executable, "-m", "shadowlab", "ca", *words, "--folder", tmp_path / "ca"]
        subprocess.run(command, check=True, capture_output=True)
    identity = next(one.parent for one in (tmp_path / "ca").rglob("cert.pem"))
    (tmp_path / "tokens").write_text(f"operator {TOKEN}\n")
    options = ("--token-file", tmp_path / "tokens", "--cert", identity / "cert.pem", "--key", identity / "key.pem")
    context = ssl.create_default_context(cafile=str(identity / "ca.pem"))
    context.check_hostname = False
    with served(folder, "--host", "0.0.0.0", *options) as (url, process):
        named = {"Host": "lab.example"}
        found = [
            status(url, "/api/v1/sources", context, **named),
            status(url, "/api/v1/sources", context, Authorization=f"Bearer {TOKEN}", **named),
            status(url, "/api/v1/sources", context, Authorization=f"Bearer {TOKEN}", Host="evil.example"),
        ]
        told = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))

    assert url.startswith("https://")
    assert found == [401, 200, 421]
    assert TOKEN.encode() not in told


def test_schemathesis_finds_nothing_wrong(tmp_path: Path) -> None:
    a_run(tmp_path / "shown" / "run")
    a_watch(tmp_path / "shown" / "watch")
    program = Path(sys.executable).with_name("st")
    assert program.exists(), "pip install '.[api-tests]'"
    options = (
        "--phases=examples,coverage,fuzzing",
        "--max-examples=30",
        "--rate-limit=45/s",
        "--workers=1",
        "--seed=1",
    )
    left_out = [f"--exclude-operation-id={one}" for one in ("events", "login")]
    with served(tmp_path / "shown") as (url, process):
        tried = subprocess.run(
            [program, "run", f"{url}api/v1/openapi.json", "-H", "X-ShadowLab: 1", *left_out, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        alive = process.poll() is None

    assert tried.returncode == 0, tried.stdout[-4000:]
    assert alive
