"""Sweeps over hosts, as a user types them."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import pytest
from farm import certificates, line_with, results, serving
from user_command import assert_nothing_left, run, shared_memory, small_scenario

SWEEP = ("sweep", "incident.yaml", "-s", "fail=north-south", "--duration", "10s", "--most-runs", "1")


@pytest.mark.story
@pytest.mark.guest
def test_a_worker_without_the_kernel_gives_the_bytes_of_a_local_sweep_and_an_agent_is_refused(tmp_path: Path) -> None:
    small_scenario(tmp_path)
    memory = shared_memory()
    certificates(tmp_path, "boss", "rack", "me")
    assert run("ca", "init", folder=tmp_path).code == 0
    assert run("ca", "issue", "web", folder=tmp_path).code == 0

    with serving("scheduler", "--tls", "farm-ca/boss", "--port", "0", folder=tmp_path, until="scheduler at") as (
        scheduler,
        line,
    ):
        address = line.split()[-1]
        worker = ("worker", "--scheduler", address, "--tls", "farm-ca/rack", "--cores", "1", "--name", "rack")
        own_cache = {"SHADOWLAB_CACHE": str(tmp_path / "cache")}
        with serving(*worker, folder=tmp_path, until="process", environment=own_cache):
            line_with(scheduler, "worker rack-0 came")
            member = ("--scheduler", address, "--tls", "farm-ca/me")

            far = run(*SWEEP, *member, "--out", "far", "--json", folder=tmp_path)
            near = run(*SWEEP, "--out", "near", "--json", folder=tmp_path)
            as_agent = run(*SWEEP, "--scheduler", address, "--tls", "lab-ca/web", "--out", "no", folder=tmp_path)

        assert far.triple == near.triple
        assert (len(json.loads(far.stdout)["variants"]), len(results(tmp_path / "far"))) == (1, 2)
        assert results(tmp_path / "far") == results(tmp_path / "near")
        assert (as_agent.code, as_agent.stdout) == (2, "")
        assert "not of a farm's authority" in as_agent.stderr
        assert not is_let_in(address, tmp_path / "lab-ca" / "web")
        assert is_let_in(address, tmp_path / "farm-ca" / "me")

    assert [one.name for one in (tmp_path / "cache" / "received").glob("*/*/linux")] == ["linux"]
    assert_nothing_left(tmp_path, memory)


def is_let_in(address: str, folder: Path) -> bool:
    """Whether somebody with these credentials, who checks nothing himself, is listened to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    host, _, port = address.removeprefix("tls://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as plain, context.wrap_socket(plain) as spoken:
        try:
            return bool(spoken.recv(1))  # the scheduler's greeting; TLS 1.3 tells a refusal only now
        except OSError as error:
            assert isinstance(error, ssl.SSLError)
            return False
