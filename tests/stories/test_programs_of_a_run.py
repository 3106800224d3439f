"""Programs and a replayed capture in a run: begun and ended on the timeline, output kept, repeatable."""

from __future__ import annotations

import json
import shutil
import struct
import sys
from pathlib import Path

import pytest
from user_command import run

pytestmark = [pytest.mark.story, pytest.mark.guest]

SMALL = Path(__file__).parent / "small" / "map.yaml"
SERVE = """
import socket
listener = socket.create_server(("192.0.2.20", 7000))
while True:
    one, peer = listener.accept()
    print(peer[0], one.recv(100).decode(), flush=True)
"""
ASK = 'import socket; socket.create_connection(("192.0.2.20", 7000)).sendall(b"hello"); print("x" * 1_100_000)'
WATCH = """
import socket
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.settimeout(4)
socket.socket().connect_ex(("192.0.2.20", 81))
resets = 0
try:
    while True:
        resets += raw.recv(2000)[33] >> 2 & 1
except TimeoutError:
    print("resets:", resets)
"""


def capture(path: Path) -> None:
    """Ten segments to port 80 and ten datagrams to port 53, 10 ms apart, of a connection nobody in the lab knows."""
    written = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)]
    ends = bytes((198, 51, 100, 1)) + bytes((198, 51, 100, 2))
    for number in range(20):
        udp = struct.pack("!HHHH", 4000, 53, 108, 0) + bytes(100)
        tcp = struct.pack("!HHIIBBHHH", 4000, 80, 1, 1, 5 << 4, 0x18, 1000, 0, 0) + bytes(500)
        protocol, inner = (17, udp) if number % 2 else (6, tcp)
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0, 9, protocol, 0) + ends + inner
        written.append(struct.pack("<IIII", 5, number * 10_000, len(packet), len(packet)) + packet)
    path.write_bytes(b"".join(written))


def scenario(folder: Path) -> None:
    shutil.copy(SMALL, folder / "map.yaml")
    capture(folder / "old.pcap")
    document = {
        "shadowlab": "scenario/1",
        "name": "programs",
        "map": "map.yaml",
        "duration": "16 s",
        "baseline": {"from": "1 s", "to": "12 s"},
        "traffic": [
            {"program": "serve", "node": "db", "command": [sys.executable, "-c", SERVE], "begin": "1 s", "end": "9 s"},
            {"program": "ask", "node": "web", "command": [sys.executable, "-c", ASK], "begin": "2 s"},
            {"program": "stubborn", "node": "api", "command": "sh -c 'trap \"\" TERM; echo $FOR; sleep 99'",
             "environment": {"FOR": "ever"}, "end": "3 s", "grace": "1 s"},
            {"program": "endless", "node": "api", "command": "sleep 999"},
            {"program": "watch", "node": "web", "command": [sys.executable, "-c", WATCH], "begin": "3 s"},
            {"replay": "old", "node": "web", "file": "old.pcap", "begin": "4 s",
             "addresses": {"198.51.100.1": "web", "198.51.100.2": "db"}},
        ],
    }  # fmt: skip
    (folder / "programs.yaml").write_text(json.dumps(document))


def test_programs_begin_and_end_with_the_timeline_and_a_capture_is_sent_again(tmp_path: Path) -> None:
    scenario(tmp_path)
    done = run("run", "programs.yaml", "--out", "out", "--json", folder=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    programs = {one["name"]: one for one in result["programs"]}
    endings = {name: (one["exit_code"], one["stopped"], one["ended_ns"] // 10**9) for name, one in programs.items()}
    assert endings.pop("endless")[:2] == (137, True), "the run's end ends it"
    assert endings == {
        "serve": (143, True, 9),
        "ask": (0, False, 2),
        "stubborn": (137, True, 4),
        "watch": (0, False, 7),
    }
    written = {name: (tmp_path / "out" / one["output"]).read_text() for name, one in programs.items()}
    assert written["serve"] == "192.0.2.10 hello\n"
    assert written["stubborn"] == "ever\n"
    assert written["watch"] == "resets: 1\n", "the closed port 81 answers, the muted port 80 does not"
    assert (
        len(written["ask"]) == (1 << 20) + len("\n[output cut here]\n") and programs["ask"]["dropped_bytes"] == 51_425
    )
    (replay,) = result["replays"]
    assert (replay["sent_packets"], replay["refused_packets"], replay["left_out"]) == (20, 0, {})
    assert sorted(one.name for one in (tmp_path / "out/raw/programs").iterdir()) == sorted(
        f"{one}.txt" for one in programs
    )

    again = run("run", "programs.yaml", "--out", "again", "--quiet", folder=tmp_path)
    assert again.code == 0
    for one in ("inside.json", "probes.blocks", "queues.blocks", "programs/serve.txt"):
        assert (tmp_path / "out/raw" / one).read_bytes() == (tmp_path / "again/raw" / one).read_bytes()
