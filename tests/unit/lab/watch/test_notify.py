"""What leaves: signed, escaped, bounded, and refused in a way that tells whether to try again."""

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shadowlab.lab.watch.config import ReceiverConfig
from shadowlab.lab.watch.metrics import metrics_text
from shadowlab.lab.watch.notify import alertmanager, syslog, webhook
from shadowlab.lab.watch.notify.interface import Refused, Senders
from shadowlab.lab.watch.shipped import shipped_text
from shadowlab.lab.watch.stages.demand import as_usual
from shadowlab.model.flow import FlowSpec
from shadowlab.model.watch.cycle import Cycle, WatchedPath
from shadowlab.model.watch.incident import Notification
from shadowlab.model.watch.state import WatchState

_ONE = Notification(
    id="2-1-network:1:hook",
    receiver="hook",
    incident="2-1-network",
    event="opened",
    severity="critical",
    title="a-b: loss | 2 %",
    text="a>b = bad\nindeed",
    at_ns=1_795_000_000_123_000_000,
    began_ns=1_795_000_000_123_000_000,
    links=("a-b",),
)


class Hook:
    """A receiver on loopback that answers as it is told."""

    def __init__(self) -> None:
        self.answer = 200
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.heard.append((self.path, dict(self.headers), body))
                self.send_response(hook.answer)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    one = Hook()
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_a_webhook_is_signed_over_its_body_and_every_attempt_is_the_same(hook: Hook, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123\n")
    receiver = ReceiverConfig(name="hook", kind="webhook", url=f"{hook.url}/in?x=1", secret_file=secret)

    webhook.send(_ONE, receiver)
    webhook.send(replace(_ONE, attempts=3, last_error="no"), receiver)

    (path, headers, body), (_, _, again) = hook.heard
    expected = hmac.new(b"0123456789abcdef0123", body, hashlib.sha256).hexdigest()
    assert headers["Shadowlab-Signature"] == f"v1={expected}"
    assert headers["Idempotency-Key"] == _ONE.id
    assert (path, body) == ("/in?x=1", again)
    assert json.loads(body)["incident"] == "2-1-network"


@pytest.mark.parametrize(("answer", "for_good"), [(500, False), (429, False), (301, False), (400, True), (410, True)])
def test_what_is_not_taken_tells_whether_it_ever_will_be(hook: Hook, answer: int, for_good: bool) -> None:
    hook.answer = answer

    with pytest.raises(Refused) as refused:
        webhook.send(_ONE, ReceiverConfig(name="hook", kind="webhook", url=hook.url))

    assert refused.value.for_good is for_good
    assert len(hook.heard) == 1  # no redirect is followed


def test_nothing_leaves_unsigned_that_was_to_be_signed(hook: Hook, tmp_path: Path) -> None:
    receiver = ReceiverConfig(name="hook", kind="webhook", url=hook.url, secret_file=tmp_path / "gone")

    with pytest.raises(Refused, match="cannot be read"):
        webhook.send(_ONE, receiver)

    assert hook.heard == []


def test_an_alert_keeps_its_labels_all_its_life_and_ends_when_the_incident_does(hook: Hook) -> None:
    receiver = ReceiverConfig(name="am", kind="alertmanager", url=hook.url, labels={"site": "x"})
    ended = replace(_ONE, id="2-1-network:5:am", event="resolved", ended_ns=_ONE.at_ns + 60_000_000_000, title="over")

    alertmanager.send(_ONE, receiver)
    alertmanager.send(ended, receiver)

    first, last = (json.loads(body)[0] for _, _, body in hook.heard)
    assert {path for path, _, _ in hook.heard} == {"/api/v2/alerts"}
    assert first["labels"] == last["labels"]
    assert first["startsAt"] == last["startsAt"] == "2026-11-18T11:06:40.123Z"
    assert last["endsAt"] == "2026-11-18T11:07:40.123Z" < first["endsAt"]


def test_a_syslog_line_is_one_line_escaped_as_cef_wants_it_and_bounded() -> None:
    receiver = ReceiverConfig(name="siem", kind="syslog", url="udp://127.0.0.1:514")

    text = syslog.rendered(_ONE, receiver).decode()
    long = syslog.rendered(replace(_ONE, text="ü" * 5000), receiver)

    assert text.startswith("<26>1 2026-11-18T11:06:40.123Z - shadowlab - opened - CEF:0|ShadowLab|")
    assert r"a-b: loss \| 2 %" in text
    assert r"msg=a>b \= bad\nindeed" in text
    assert "\n" not in text
    assert len(long) <= syslog.MOST_BYTES
    long.decode()


def test_a_receiver_that_the_watch_file_no_longer_has_is_given_up() -> None:
    with pytest.raises(Refused) as refused:
        Senders().send(_ONE)

    assert refused.value.for_good


def test_metrics_carry_units_and_the_watch_in_every_series() -> None:
    path = WatchedPath(path='a→"b"', state="off", production={"srtt_ms": 20.0}, shadow={"srtt_ms": 18.0}, before={})
    cycle = Cycle(
        number=2, began_ns=0, ended_ns=5 * 10**9, status="complete", headline="", verdict="confirmed", paths=(path,)
    )

    text = metrics_text(WatchState(name="w", cycle=2), cycle)

    assert 'shadowlab_path_rtt_seconds{path="a→\\"b\\"",side="production",watch="w"} 0.02' in text
    assert 'shadowlab_verdict{verdict="confirmed",watch="w"} 1.0' in text
    assert 'shadowlab_cycle_duration_seconds{watch="w"} 5.0' in text
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all('watch="w"' in line for line in samples)


def test_the_unit_starts_this_program_is_hardened_and_waits_for_its_word() -> None:
    text = shipped_text("systemd", Path("/opt/shadowlab/bin/shadowlab"))

    assert "ExecStart=/opt/shadowlab/bin/shadowlab watch /etc/shadowlab/watch.yaml\n" in text
    for line in ("Type=notify", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text


def test_a_connection_that_is_held_back_wants_what_it_wanted_before() -> None:
    greedy = FlowSpec(id="f", source="a", target="b", flow_class="greedy")
    paced = FlowSpec(id="f", source="a", target="b", flow_class="paced", rate_bps=5)

    assert as_usual([greedy], {"f": paced}) == (paced,)
    assert as_usual([greedy], {}) == (greedy,)
    assert as_usual([paced], {"f": greedy}) == (paced,)
