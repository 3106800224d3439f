"""A lab over two hosts that are namespaces of this machine, beside the same lab on one: what its user sees.

In: a folder, the delay of the map's links and of the underlay in ms (0: for kernels without netem).  Out: one JSON
document on stdout.  Root only.  Nothing is left of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

MAP = """
shadowlab: map/1
name: both
nodes:
  a: {{kind: host}}
  b: {{kind: host}}
  left: {{kind: router}}
  right: {{kind: router}}
links:
  a-left: {{ends: [a, left], delay: {delay} ms}}
  core: {{ends: [left, right], delay: {delay} ms}}
  right-b: {{ends: [right, b], delay: {delay} ms}}
"""
HOSTS = """
shadowlab: hosts/1
scheduler: tls://10.78.0.1:8786
tls: farm-ca/me
hosts:
  one: {address: 10.78.0.2}
  two: {address: 10.78.0.3}
"""
NAMES = ("one", "two")
HUB = f"hub{os.getpid()}"
PATIENCE_S = 300


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def namespace(host: str) -> str:
    return f"{HUB}-{host}"


@contextmanager
def underlay(delay_ms: float) -> Iterator[None]:
    made = [HUB, *map(namespace, NAMES)]
    try:
        for one in made:
            ip("netns", "add", one)
            ip("-n", one, "link", "set", "lo", "up")
        ip("-n", HUB, "link", "add", "bridge", "up", "type", "bridge")
        ip("-n", HUB, "address", "add", "10.78.0.1/24", "dev", "bridge")
        for number, host in enumerate(NAMES, start=2):
            there = namespace(host)
            ip("link", "add", host, "netns", HUB, "type", "veth", "peer", "name", "eth0", "netns", there)
            ip("-n", HUB, "link", "set", host, "up", "master", "bridge")
            ip("-n", there, "address", "add", f"10.78.0.{number}/24", "dev", "eth0")
            ip("-n", there, "link", "set", "eth0", "up", "mtu", "1550")
            ip("-n", HUB, "link", "set", host, "mtu", "1550")
            if delay_ms:
                words = ("qdisc", "add", "dev", host, "root", "netem", "delay", f"{delay_ms}ms")
                subprocess.run(["ip", "netns", "exec", HUB, "tc", *words], check=True)
        yield
    finally:
        for one in made:
            subprocess.run(["ip", "netns", "del", one], check=False)


class Desk:
    """Somebody at work in the hub."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def type(self, *words: str, state: str = "mine", under: str = HUB) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._line(under, *words), cwd=self.folder, env=self._environment(state), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False, timeout=PATIENCE_S,
        )  # fmt: skip

    def must(self, *words: str, state: str = "mine", under: str = HUB) -> str:
        done = self.type(*words, state=state, under=under)
        if done.returncode:
            sys.exit(f"{words}: {done.returncode}: {done.stderr}")
        return done.stdout

    @contextmanager
    def serving(self, says: str, *words: str, under: str, state: str) -> Iterator[subprocess.Popen[str]]:
        started = subprocess.Popen(
            self._line(under, "farm", *words), cwd=self.folder, env=self._environment(state),
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            until(started, says)
            yield started
        finally:
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
            started.communicate(timeout=PATIENCE_S)

    def _line(self, under: str, *words: str) -> list[str]:
        return [*(("ip", "netns", "exec", under) if under else ()), sys.executable, "-m", "shadowlab", *words]

    def _environment(self, state: str) -> dict[str, str]:
        return os.environ | {"SHADOWLAB_STATE": str(self.folder / state), "TMPDIR": str(self.folder / "tmp")}


def until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    if not any(words in line for line in process.stderr):
        sys.exit(f"it ended without saying {words!r}")


def rtt_ms(said: str) -> float:
    """The least of ping's round trips: what the way takes, without what the machine does beside."""
    found = re.search(r"= ([\d.]+)/", said)
    return float(found[1]) if found else -1.0


def main(folder: Path, delay_ms: float, underlay_ms: float) -> None:
    (folder / "tmp").mkdir()
    (folder / "map.yaml").write_text(MAP.format(delay=delay_ms))
    (folder / "hosts.yaml").write_text(HOSTS)
    desk, told = Desk(folder), dict[str, object]()
    ping = ("ping", "-c", "6", "-i", "0.2", "-q", "b")
    with underlay(underlay_ms), ExitStack() as stack:
        # Not by `ip netns exec`, which gives each command mounts, and so names, of its own.
        desk.must("up", "map.yaml", "--kernel", "host", "--name", "alone", under="")
        desk.type("exec", "--lab", "alone", "a", "--", *ping, under="")
        told["alone_ms"] = rtt_ms(desk.must("exec", "--lab", "alone", "a", "--", *ping, under=""))
        desk.must("down", "alone", under="")
        desk.must("farm", "ca", "init")
        desk.must("farm", "ca", "issue", "boss", *NAMES, "me")
        words = ("scheduler", "--tls", "farm-ca/boss", "--host", "10.78.0.1")
        boss = stack.enter_context(desk.serving("scheduler at", *words, under=HUB, state="mine"))
        workers = {}
        for host in NAMES:
            words = ("worker", "--scheduler", "tls://10.78.0.1:8786", "--tls", f"farm-ca/{host}", "--cores", "1")
            serving = desk.serving("process", *words, "--name", host, under=namespace(host), state=host)
            workers[host] = stack.enter_context(serving)
            until(boss, f"worker {host}-0 came")

        stack.callback(desk.type, "down", "both")  # whatever goes wrong on the way
        ip("-n", namespace("one"), "link", "set", "eth0", "mtu", "1500")
        told["short"] = desk.type("up", "map.yaml", "--hosts", "hosts.yaml").stderr
        ip("-n", namespace("one"), "link", "set", "eth0", "mtu", "1550")
        told["up"] = desk.must("up", "map.yaml", "--hosts", "hosts.yaml")
        told["status"] = json.loads(desk.must("status", "both", "--json"))["state"]
        desk.type("exec", "a", "--", *ping)
        told["spread_ms"] = rtt_ms(desk.must("exec", "a", "--", *ping))
        told["large"] = desk.type("exec", "a", "--", "ping", "-c", "3", "-s", "1472", "-M", "do", "-q", "b").returncode
        told["exit_code"] = desk.type("exec", "b", "--", "sh", "-c", "exit 7").returncode

        carried = {part["host"]: part["carries"] for part in json.loads(desk.must("status", "--json"))["parts"]}
        workers["two"].kill()
        until(boss, "worker two-0 is gone")
        after = json.loads(desk.must("status", "--json"))
        told["lost"] = [part["carries"] for part in after["parts"] if part["state"] == "lost"] == [carried["two"]]
        told["damaged"] = after["state"]
        told["rebuilt"] = desk.must("up", "map.yaml", "--hosts", "hosts.yaml", "--name", "both", "--rebuild")
        told["rebuilt_status"] = json.loads(desk.must("status", "--json"))["state"]
        desk.type("exec", "a", "--", *ping)
        told["rebuilt_ms"] = rtt_ms(desk.must("exec", "a", "--", *ping))
        told["down"] = desk.must("down", "both")
        # The host was not dead, only its worker: what it still has goes by its own command, as `down` says.
        told["left_there"] = desk.type("down", "both.1", state="two", under=namespace("two")).returncode
    left = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    told["left"] = [line for line in left.splitlines() if "wire-" in line or HUB in line]
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
