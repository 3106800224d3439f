"""What the host's kernel can do is found out by trying, and every missing piece says what would mend it."""

from __future__ import annotations

import os

from shadowlab.kernel.capability import probe_host


def test_every_piece_is_tried_and_a_missing_one_says_what_would_mend_it() -> None:
    capability = probe_host()

    names = [piece.name for piece in capability.pieces]
    assert {"private namespaces", "veth", "netem", "ifb", "matchall and mirred", "packets"} <= set(names)
    for piece in capability.pieces:
        assert piece.present is not bool(piece.why)
        assert piece.needed_for
        assert piece.cure
        assert piece.name in str(piece)
    assert all(piece.required and not piece.present for piece in capability.missing)


def test_trying_leaves_this_process_where_it_was() -> None:
    before = os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/mnt"), os.readlink("/proc/self/ns/user")

    probe_host()

    after = os.readlink("/proc/self/ns/net"), os.readlink("/proc/self/ns/mnt"), os.readlink("/proc/self/ns/user")
    assert after == before
