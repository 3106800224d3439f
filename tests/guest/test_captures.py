"""Captures recorded in the embedded kernel agree with what the kernel itself knows of the same transfers."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from capture_inside import PORT, SECOND
from capture_scenes import SCENES, SEED

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import BuiltKernel
from shadowlab.telemetry.capture.analysis import Analysis
from shadowlab.telemetry.capture.packets.account import Account
from shadowlab.telemetry.capture.summary import Connection

pytestmark = pytest.mark.guest


def connections(capture: Path) -> dict[int, Connection]:
    """By the server's port."""
    with capture.open("rb") as file:
        analysis = Analysis(Account(name=capture.name))
        told = list(analysis.read(iter(lambda: file.read(65_536), b"")))
    return {one.connection.server.port: one.connection for one in told}


def test_a_capture_agrees_with_the_sockets(built_kernel: BuiltKernel, tmp_path: Path) -> None:
    scene = SCENES["loss"]

    outcome = run_in_guest(
        kernel=built_kernel,
        entry="capture_inside:record",
        job=pickle.dumps(scene),
        folder=tmp_path,
        clock="virtual",
        seed=SEED,
        virtual_deadline_ns=scene.duration_ns + 20 * SECOND,
        wall_deadline_s=60,
        memory_bytes=512 << 20,
    )

    assert outcome.exit_code == 0
    at_sender, at_receiver = connections(tmp_path / "a.pcapng"), connections(tmp_path / "b.pcapng")
    sockets = json.loads((tmp_path / "sockets.json").read_text())
    assert len(at_sender) == len(at_receiver) == len(sockets) == len(scene.transfers)
    assert sum(one["total_retrans"] for one in sockets.values()) > 10
    for number, transfer in enumerate(scene.transfers):
        one, far, known = at_sender[PORT + number], at_receiver[PORT + number], sockets[str(PORT + number)]
        assert one.client.counts is not None
        assert one.client.counts["resent"] == known["total_retrans"]
        assert one.client.counts["resent_octets"] == known["bytes_retrans"]
        assert one.client.acked_octets == far.client.acked_octets == transfer.octets
        assert one.server.window_bytes == known["snd_wnd"]
        assert one.handshake_ns is not None
        assert 20 * 10**6 <= one.handshake_ns < 60 * 10**6
        whole = one.round_trip_ns(one.client)
        assert whole is not None
        assert known["min_rtt"] - 1 <= whole.least_ns // 1000 <= 1.1 * known["min_rtt"]  # the kernel counts SACKs, too
        assert one.ending == ("severed" if transfer.ends == "reset" else "closed")
