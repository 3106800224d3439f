"""Replicated production is production: what a node's kernel knew arrives, and drives a shadow as the file did."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from replication import client, make_lab, put, receiving, token_of
from replication_inside import BOOT, SENT_BYTES, STREAM
from user_command import SMALL, run, small_scenario

from shadowlab.guest.boot import run_in_guest
from shadowlab.guest.cache import find_kernel
from shadowlab.kernel.clock import KernelClock
from shadowlab.replicate.authority import issue
from shadowlab.replicate.batch import Head, batch_path, encode_batch, pack
from shadowlab.replicate.sending.sender import Identity, Sender, client_context
from shadowlab.replicate.sending.spool import Spool
from shadowlab.telemetry.reading import open_telemetry
from shadowlab.telemetry.sources.jsonl import line_of

pytestmark = pytest.mark.story
MS = 1_000_000


@pytest.mark.guest
def test_an_agent_in_a_node_of_production_tells_what_its_kernel_knew(tmp_path: Path) -> None:
    kernel = find_kernel("virtual")
    assert kernel is not None, "no embedded kernel in the cache: run 'shadowlab kernel build'"
    outcome = run_in_guest(
        kernel=kernel,
        entry="replication_inside:run",
        job=b"",
        folder=tmp_path,
        clock="virtual",
        seed=1,
        virtual_deadline_ns=60 * 10**9,
        wall_deadline_s=60,
        memory_bytes=256 << 20,
        on_line=print,
    )
    assert outcome.exit_code == 0
    lab = make_lab(tmp_path)
    files = Identity(
        authority=lab / "ca.pem",
        certificate=lab / "web" / "cert.pem",
        key=lab / "web" / "key.pem",
        token=token_of(lab, "web"),
    )

    spool = Spool(tmp_path / "spool", most_bytes=1 << 20, boot=BOOT, new_stream=STREAM)
    with receiving(lab, tmp_path / "replica") as receiver, spool:
        port = receiver.server_address[1]
        sender = Sender(host="127.0.0.1", port=port, instance="web", context=client_context(files), token=files.token)
        with closing(sender):
            while (found := spool.oldest()) is not None:
                frame, oldest = found
                # Sent by another machine than the one that read: its clocks do not compare, so no boot is the same.
                sent = sender.send(frame, oldest=oldest, boot=bytes(16), wall_ns=KernelClock().wall_ns())
                assert sent.verdict == "stored"
                spool.acknowledge(frame)

    with open_telemetry(tmp_path / "replica") as reading:
        records = list(reading.records)
    told = [one for one in records if one.scope == "connection"]
    hosts = [one for one in records if one.scope == "host"]
    assert [one.connections_open for one in hosts] == [1, 1, 0]
    first, *between, last = told  # in between perhaps once more, by turns, although nothing moved
    assert [one.state for one in (first, *between, last)] == ["ESTAB"] * (1 + len(between)) + ["CLOSED"]
    assert (first.local_address, first.peer_address, first.peer_port) == ("10.0.0.0", "10.0.0.1", 5000)
    assert first.min_rtt_ns is not None
    assert abs(first.min_rtt_ns - 40 * MS) < MS
    assert first.bytes_acked is not None
    assert 0 <= first.bytes_acked - SENT_BYTES <= 1
    assert last.closed_ns is not None
    assert abs(last.closed_ns - first.at_ns - 3 * 10**9) < 10**9
    assert (last.min_rtt_ns, last.bytes_sent) == (first.min_rtt_ns, SENT_BYTES)


def test_a_scenario_is_driven_by_the_receivers_folder_as_by_the_file(tmp_path: Path) -> None:
    lab = make_lab(tmp_path)
    lines: dict[str, list[str]] = {}
    with open_telemetry(SMALL / "before.ss") as reading:
        for record in reading.records:
            lines.setdefault(record.instance, []).append(line_of(record))
    for name in lines.keys() - {"web", "db"}:
        issue(lab, name, server=False, now_ns=KernelClock().wall_ns())
    with receiving(lab, tmp_path / "replica") as receiver:
        for name, told in lines.items():
            with closing(client(lab, name, receiver.server_address[1])) as connection:
                head = Head(instance=name, stream=STREAM, sequence=1, records=len(told))
                path, batch = batch_path(head), pack(encode_batch(head, told))
                assert put(connection, token_of(lab, name), path, *batch)[0] == 201

    small_scenario(tmp_path)
    by_file = run("plan", "incident.yaml", "--json", folder=tmp_path)
    small_scenario(tmp_path, ("incident.yaml", "telemetry: before.ss", "telemetry: replica"))
    by_folder = run("plan", "incident.yaml", "--json", folder=tmp_path)

    assert by_file.code == by_folder.code == 0, by_folder.stderr
    assert json.loads(by_folder.stdout)["flows"] == json.loads(by_file.stdout)["flows"]
    assert json.loads(by_folder.stdout)["telemetry"] == json.loads(by_file.stdout)["telemetry"]
