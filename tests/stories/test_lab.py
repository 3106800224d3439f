"""A lab as people use it: every command as it is typed, on every kernel there is."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lab_programs
import psutil
import pytest
from host_tables import host_tables

import shadowlab
from shadowlab.errors import InputError, ShadowFailedError
from shadowlab.guest.resident.start import Line
from shadowlab.lab.live.folder import LabFolder

IS_ROOT = os.geteuid() == 0
KERNELS = [pytest.param("embedded", marks=pytest.mark.guest), *(["host"] if IS_ROOT else [])]
"""A lab on the host's kernel needs root; ``scripts/test-host`` runs these as root on a stock kernel."""
SHADOWLAB = str(Path(sys.executable).parent / "shadowlab")
PYTHON, PROGRAMS = sys.executable, lab_programs.__file__
MAP = """
shadowlab: map/1
name: office
defaults:
  access_link: {delay: 0 ms}
  router_link: {delay: 0 ms}
nodes:
  web-1: {kind: host}
  db-1: {kind: host}
  r1: {kind: router}
  r2: {kind: router}
links:
  web: {ends: [web-1, r1]}
  core: {ends: [r1, r2]}
  db: {ends: [db-1, r2]}
"""
GROWN = MAP.replace("nodes:\n", "nodes:\n  mail-1: {kind: host}\n  r3: {kind: router}\n") + (
    "  side: {ends: [r1, r3]}\n  back: {ends: [r3, r2]}\n  mail: {ends: [mail-1, r3]}\n"
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHADOWLAB_STATE", str(tmp_path / "state"))
    (tmp_path / "office.yaml").write_text(MAP)
    (tmp_path / "grown.yaml").write_text(GROWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "labs"


@pytest.fixture
def run(state: Path) -> Iterator[Run]:
    """A command as it is typed.  Labs that a failed test leaves are taken down."""

    def run(*words: str, code: int = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [SHADOWLAB, *words], input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    yield run
    for folder in state.glob("[a-z]*"):
        subprocess.run([SHADOWLAB, "down", folder.name], check=True, capture_output=True)


@pytest.fixture(params=KERNELS)
def lab(request: pytest.FixtureRequest, run: Run) -> str:
    kernel: str = request.param
    run("up", "office.yaml", "--kernel", kernel)
    return kernel


@pytest.mark.parametrize("kernel", KERNELS)
def test_01_a_lab_comes_and_goes_and_the_host_is_as_before(kernel: str, run: Run, state: Path) -> None:
    before = host_tables()

    said = run("up", "office.yaml", "--kernel", kernel).stdout
    listed = json.loads(run("list", "--json").stdout)
    gone = run("down").stdout

    assert "4 nodes, 3 links" in said
    assert [(one["name"], one["state"], one["kernel"]) for one in listed] == [("office", "up", kernel)]
    assert "office is down" in gone
    assert host_tables() == before
    assert not list(Path("/run/netns").glob(f"sl-{listed[0]['lab']}-*"))
    assert f"sl-{listed[0]['lab']}-" not in Path("/proc/self/mountinfo").read_text()
    assert not [file for file in state.iterdir() if not file.name.startswith(".")]


def test_02_any_program_runs_in_a_node_and_its_streams_and_exit_code_come_back(lab: str, run: Run) -> None:
    done = run("exec", "db-1", "--", "sh", "-c", "cat; echo to-stderr >&2; exit 42", stdin="typed\n" * 30_000, code=42)

    assert done.stdout == "typed\n" * 30_000
    assert done.stderr == "to-stderr\n"
    assert run("exec", "db-1", "--", "no-such-program", code=127).stderr.startswith(
        "shadowlab: no-such-program: No such"
    )
    killed = f"'{SHADOWLAB}' exec db-1 -- sh -c 'kill -9 $$'; echo $?"
    assert subprocess.run(["sh", "-c", killed], capture_output=True, text=True, check=True).stdout == "137\n"
    assert run("exec", "web-1", "--", "ls", "/sys/class/net").stdout.split() == ["lo", "to-r1"]
    assert run("exec", "web-1", "--", "pwd").stdout.strip() == os.getcwd()
    assert run("exec", "nobody", "--", "true", code=2).stderr == (
        "shadowlab: nobody is not a node of lab office; there are: web-1, db-1, r1, r2\n"
    )


def test_03_nodes_know_each_other_by_name(lab: str, run: Run) -> None:
    there = run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1").stdout
    back = run("exec", "db-1", "--", PYTHON, PROGRAMS, "rtt", "web-1").stdout

    assert float(there) < 50
    assert float(back) < 50


def test_04_an_output_longer_than_any_buffer_arrives_whole(lab: str, run: Run) -> None:
    done = run("exec", "web-1", "--", "seq", "200000")

    assert done.stdout.split() == [str(number) for number in range(1, 200_001)]


def test_05_status_shows_what_the_kernel_shows(lab: str, run: Run) -> None:
    told = json.loads(run("status", "--json").stdout)

    assert told["state"] == "up"
    assert {name: link["carries"] for name, link in told["links"].items()} == {"web": True, "core": True, "db": True}
    assert told["nodes"]["r1"]["forwards"]
    assert "link core   up    r1 - r2" in run("status").stdout


@pytest.mark.guest
def test_06_a_link_is_changed_in_place_and_zero_means_zero(run: Run) -> None:
    run("up", "office.yaml", "--kernel", "embedded")

    slow = run("set", "core", "delay=40ms").stdout
    one_way = run("set", "core", "delay=10ms", "--towards", "r2").stdout
    with_delay = float(run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1").stdout)
    run("set", "core", "loss=100%", "--towards", "r1")
    lost = run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1", "2").stdout
    run("set", "core", "delay=0ms", "loss=0")
    without = float(run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1").stdout)
    dry = run("set", "core", "rate=10Mbit", "queue.kind=codel", "queue.target=7ms", "--dry-run").stdout
    shaped = run("set", "core", "rate=10Mbit", "queue.kind=codel", "queue.target=7ms").stdout
    bursts = run("set", "core", "loss.model=gilbert-elliott", "loss.p=1%", "loss.r=25%", "--towards", "r2").stdout
    run("set", "core", "loss=0", "queue.kind=pfifo", "rate=unlimited")
    run("set", "core", "state=down")
    told = json.loads(run("status", "--json").stdout)["links"]["core"]
    cut = run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1", "1").stdout
    run("set", "core", "state=up")
    again = float(run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1").stdout)

    assert dry == shaped + "lab office: 4 changes would be made\n"
    assert "CoDel 7 ms" in shaped
    assert bursts.splitlines()[0].startswith("impair core:r1>r2 at r2/to-r1 (arrival): ")
    assert "Gilbert-Elliott" in bursts
    assert not told["carries"]
    assert cut == "lost\n"
    assert again < 10
    assert [line.split(":")[0] for line in slow.splitlines()] == ["impair core", "impair core"]
    assert "it is delay 40 ms" in one_way
    assert 50 <= with_delay < 70
    assert lost == "lost\n"
    assert without < 10


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("core", "delay=5"), "has no unit"),
        (("core", "dealy=5ms"), "did you mean `delay`"),
        (("core", "loss=120%"), "between 0 and 1"),
        (("core", "delay"), "write key=value"),
        (("cor", "delay=5ms"), "did you mean `core`"),
        (("core", "delay=5ms", "--towards", "db-1"), "it does not lead towards db-1"),
    ],
)
@pytest.mark.skipif(not IS_ROOT, reason="on the host's kernel, which is quicker; needs root")
def test_07_a_wrong_setting_is_refused_in_words(words: tuple[str, ...], complaint: str, run: Run) -> None:
    run("up", "office.yaml", "--kernel", "host")

    assert complaint in run("set", *words, code=2).stderr


def test_08_apply_shows_and_makes_only_what_differs(lab: str, run: Run) -> None:
    before = run("exec", "web-1", "--", "cat", "/etc/hosts").stdout.splitlines()

    dry = run("apply", "grown.yaml", "--lab", "office", "--dry-run").stdout
    unchanged = run("apply", "office.yaml").stdout
    made = run("apply", "grown.yaml").stdout
    again = run("apply", "grown.yaml").stdout
    hosts = run("exec", "web-1", "--", "cat", "/etc/hosts").stdout.splitlines()
    new = run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "mail-1").stdout
    back = run("apply", "office.yaml").stdout

    assert "would be made" in dry
    assert dry.replace("would be made", "made") == made
    assert "node mail-1: namespace" in made
    assert "(new on the map)" in made
    assert unchanged == "lab office: no difference\n"
    assert again == "lab office: no difference\n"
    assert set(before) < set(hosts), "what stays keeps its address"
    assert float(new) < 50
    assert "node mail-1: remove (not on the map)" in back


def test_09_adding_links_loses_no_packet_of_their_neighbours(lab: str, run: Run) -> None:
    count = subprocess.Popen(
        [SHADOWLAB, "exec", "db-1", "--", PYTHON, PROGRAMS, "count", "4"], stdout=subprocess.PIPE, text=True
    )
    assert count.stdout is not None
    assert count.stdout.readline() == "listening\n"
    send = subprocess.Popen(
        [SHADOWLAB, "exec", "web-1", "--", PYTHON, PROGRAMS, "send", "db-1", "4"], stdout=subprocess.PIPE, text=True
    )
    time.sleep(0.7)

    for _ in range(2):
        run("apply", "grown.yaml")
        run("apply", "office.yaml")
    sent = int(send.communicate(timeout=30)[0])
    arrived, highest = map(int, count.communicate(timeout=30)[0].split())

    assert sent > 300
    assert (arrived, highest) == (sent, sent)


def test_10_a_capture_is_a_file_with_every_packet(lab: str, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "core.pcapng"
    capture = subprocess.Popen([SHADOWLAB, "capture", "core", "-w", str(file)])
    patience = time.monotonic() + 20
    while not file.exists() or not file.stat().st_size:
        assert time.monotonic() < patience
        time.sleep(0.05)

    run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1", "10")
    time.sleep(0.3)
    capture.send_signal(signal.SIGINT)

    assert capture.wait(10) == 0
    blocks = list(read_blocks(file.read_bytes()))
    frames = [body[20 : 20 + struct.unpack_from("<I", body, 12)[0]] for kind, body in blocks if kind == 6]
    icmp = [frame for frame in frames if frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_ICMP]
    assert [kind for kind, _ in blocks[:2]] == [0x0A0D0D0A, 1]
    assert blocks[-1][0] == 5, "ended by its statistics"
    assert len(icmp) == 20


def read_blocks(content: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(content):
        kind, length = struct.unpack_from("<II", content, place)
        assert struct.unpack_from("<I", content, place + length - 4)[0] == length
        yield kind, content[place + 8 : place + length - 4]
        place += length


def test_11_a_lab_keeps_apart_from_the_host(lab: str, run: Run) -> None:
    findings = json.loads(run("verify", "--isolation", "--json").stdout)

    assert len(findings) >= 5
    assert all(one["holds"] for one in findings), findings


def test_12_a_shell_has_a_terminal(lab: str, run: Run) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["SHELL"] = "/bin/sh"
        os.execv(SHADOWLAB, [SHADOWLAB, "shell", "web-1"])
    said = b""

    def read_until(word: bytes) -> None:
        nonlocal said
        patience = time.monotonic() + 20
        while word not in said:
            assert time.monotonic() < patience, said
            if select.select([terminal], [], [], 0.2)[0]:
                said += os.read(terminal, 4096)

    read_until(b"# " if IS_ROOT else b"$ ")
    os.write(terminal, b"tty && echo node=$SHADOWLAB_NODE\n")
    read_until(b"node=web-1")
    os.write(terminal, b"exit 7\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 7
    assert b"/dev/pts/" in said


def test_13_labs_live_side_by_side_and_one_name_is_one_lab(lab: str, run: Run) -> None:
    run("up", "office.yaml", "--name", "second", "--kernel", lab)

    assert "there is a lab office already" in run("up", "office.yaml", "--kernel", lab, code=2).stderr
    assert "name the lab, for there are several: office, second" in run("exec", "web-1", "--", "true", code=2).stderr
    run("down", "office")
    assert float(run("exec", "web-1", "--", PYTHON, PROGRAMS, "rtt", "db-1").stdout) < 50


@pytest.mark.skipif(not IS_ROOT, reason="on the host's kernel, which is quicker; needs root")
def test_14_two_commands_never_change_one_lab_at_once(run: Run, state: Path) -> None:
    run("up", "office.yaml", "--kernel", "host")
    with (state / "office" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        for words in (("down",), ("set", "core", "delay=1ms"), ("apply", "grown.yaml"), ("exec", "db-1", "--", "true")):
            assert "another command is building, changing or removing it" in run(*words, code=3).stderr
        assert run("gc").stdout == "nothing to clear away\n"

    run("down")


@pytest.mark.guest
def test_15_a_guest_that_was_killed_is_told_of_and_cleared_away(run: Run, state: Path) -> None:
    run("up", "office.yaml", "--kernel", "embedded")
    with Line(LabFolder("office").path) as line:
        keeper = psutil.Process(line.keeper)
    family = [keeper, *keeper.children(recursive=True)]

    keeper.kill()
    psutil.wait_procs(family, timeout=10)

    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert json.loads(run("list", "--json").stdout)[0]["state"] == "gone"
    assert "gc' clears it away" in run("exec", "web-1", "--", "true", code=3).stderr
    assert "lab office: removed" in run("gc").stdout
    assert not [file for file in state.iterdir() if not file.name.startswith(".")]


@pytest.mark.guest
@pytest.mark.parametrize("after_s", [0.1, 0.3, 0.6, 1.0, 1.5])
def test_16_a_build_that_was_killed_is_cleared_away(after_s: float, run: Run, state: Path) -> None:
    up = subprocess.Popen([SHADOWLAB, "up", "office.yaml", "--kernel", "embedded"], stdout=subprocess.DEVNULL)
    time.sleep(after_s)
    up.kill()
    up.wait()

    run("gc")

    left = json.loads(run("list", "--json").stdout)
    if left:  # it was up before, though perhaps nobody had been told
        assert left[0]["state"] == "up"
        run("verify", "--quick")
        run("down")
    assert json.loads(run("list", "--json").stdout) == []


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("after_s", [0.2, 0.5, 1.0])
def test_17_ctrl_c_takes_a_half_built_lab_down(after_s: float, kernel: str, run: Run, state: Path) -> None:
    before = host_tables()
    up = subprocess.Popen(
        [SHADOWLAB, "up", "office.yaml", "--kernel", kernel], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(after_s)
    up.send_signal(signal.SIGINT)
    code = up.wait(30)

    if code == 0:  # it was up before
        run("down")
    assert code in (0, 130, -signal.SIGINT)
    assert host_tables() == before
    assert not [file for file in state.glob("*") if not file.name.startswith(".")]


@pytest.mark.parametrize("kernel", KERNELS)
def test_18_the_python_interface_does_the_same(kernel: str, state: Path) -> None:
    with shadowlab.Lab.open("office.yaml", kernel=kernel) as lab:
        ran = lab["web-1"].run([PYTHON, PROGRAMS, "rtt", "db-1"]).check()
        echoed = lab["db-1"].run(["cat"], stdin=bytes(range(256)) * 1000)
        stopped = lab["db-1"].run(["sleep", "60"], timeout_s=0.5)
        changed = lab.set("core", metric=7)
        grown = lab.apply("grown.yaml")

        assert float(ran.text) < 50
        assert echoed.stdout == bytes(range(256)) * 1000
        assert stopped.exit_code == 124
        assert changed == ()
        assert [change.reason for change in grown if "mail-1: namespace" in change.describe()] == ["new on the map"]
        assert set(lab) == {"web-1", "db-1", "r1", "r2", "mail-1", "r3"}
        with pytest.raises(ShadowFailedError, match="exit code 3"):
            lab["db-1"].run(["sh", "-c", "exit 3"]).check()
        with pytest.raises(KeyError):
            lab["nobody"]
        with pytest.raises(InputError, match="is not a link"):
            lab.set("none", delay="1 ms")

    assert not [file for file in state.iterdir() if not file.name.startswith(".")]


@pytest.mark.skipif(not IS_ROOT, reason="on the host's kernel; needs root")
def test_19_names_appear_under_ip_netns_and_a_foreign_one_stays(run: Run) -> None:
    run("up", "office.yaml", "--kernel", "host")
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout

    node = json.loads(run("status", "--json").stdout)["nodes"]["web-1"]["namespace"]

    assert node in names
    shown = subprocess.run(
        ["ip", "-n", node, "link", "show", "to-r1"], capture_output=True, text=True, check=True
    ).stdout
    assert f"alias shadowlab/{node.split('-')[1]}/web" in shown


@pytest.mark.parametrize("kernel", KERNELS)
def test_21_no_command_changes_anything_of_the_hosts_network(kernel: str, run: Run) -> None:
    before = host_tables()

    for words in (
        ("up", "office.yaml", "--kernel", kernel),
        ("list",),
        ("status",),
        ("set", "core", "metric=7"),
        ("apply", "grown.yaml", "--lab", "office"),
        ("exec", "web-1", "--", "sh", "-c", "ip link set lo mtu 9000; ip route add blackhole 192.0.2.0/24"),
        ("verify", "--isolation"),
        ("gc",),
        *([("doctor", "--json")] if kernel == "host" else []),
    ):
        run(*words)
        assert differing(before, host_tables()) == [], words
    capture = subprocess.Popen([SHADOWLAB, "capture", "core", "-w", "file.pcapng"])
    patience = time.monotonic() + 20
    while not Path("file.pcapng").exists():
        assert time.monotonic() < patience
        time.sleep(0.02)
    capture.send_signal(signal.SIGINT)
    capture.wait(10)
    assert differing(before, host_tables()) == [], "capture"
    run("down")

    assert differing(before, host_tables()) == []


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [name for name in {**before, **after} if before.get(name) != after.get(name)]


RECORDED = "".join(
    f"""# instance web-1 at 2026-11-20T09:01:{second:02}Z
ESTAB 0 0 192.0.2.1:40000 192.0.2.2:5432 reno rtt:1/0.1 mss:1448 cwnd:10 bytes_acked:{acked} app_limited busy:100ms
# instance db-1 at 2026-11-20T09:01:{second:02}Z
ESTAB 0 0 192.0.2.2:5432 192.0.2.1:40000 reno rtt:1/0.1 mss:1448 cwnd:10 bytes_received:{acked}
"""
    for second, acked in ((0, 1_000), (10, 1_251_000))
)
"""One connection at 1 Mbit/s."""


def test_22_recorded_traffic_runs_in_a_lab(lab: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "office.ss").write_text(RECORDED)

    told = json.loads(run("drive", "office.ss", "--seconds", "2", "--json").stdout)

    (flow,) = told["flows"]
    assert (flow["flow"], flow["state"], flow["failures"]) == ("web-1→db-1:5432", "open", 0)
    assert 0 < flow["received_bytes"] <= flow["written_bytes"] <= 250_000

    (again,) = json.loads(run("drive", "office.ss", "--seconds", "0.5", "--json").stdout)["flows"]
    assert (again["state"], again["failures"]) == ("open", 0)


def test_23_a_way_is_traced_until_where_it_ends(lab: str, run: Run) -> None:
    arrived = json.loads(run("trace", "web-1", "db-1", "--flow", "tcp:40000:80", "--mtu", "--json").stdout)
    address = run("exec", "web-1", "--", "getent", "hosts", "db-1").stdout.split()[0]
    run("exec", "r1", "--", "ip", "route", "add", "blackhole", f"{address}/32")
    ended = run("trace", "web-1", "db-1", "--wait", "0.3", code=1).stdout
    wrong = run("trace", "web-1", "db-2", code=2).stderr

    traced = arrived["traced"]
    assert [one["node"] for one in traced["hops"]] == ["r1", "r2", "db-1"]
    assert (arrived["tables"], arrived["agree"]) == (["web-1", "r1", "r2", "db-1"], True)
    assert (traced["sent"], len(traced["there_ns"]), len(traced["back_ns"])) == (18, 18, 18)
    assert min(*traced["there_ns"], *traced["back_ns"]) > 0
    assert (arrived["mtu"]["mtu"], arrived["mtu"]["limited_by"]) == (1500, "")
    assert "black hole at web-1: nobody beyond web-1 answers" in ended
    assert "the routing tables say the same (black hole at r1)" in ended
    assert "db-2 is not a node of lab office: did you mean" in wrong


def test_20_importing_the_package_stays_fast() -> None:
    took = subprocess.run(
        [PYTHON, "-X", "importtime", "-c", "import shadowlab"], capture_output=True, text=True, check=True
    ).stderr.splitlines()[-1]

    assert int(took.split("|")[1]) < 50_000
