"""Whatever a capture holds: no crash, and the same result in pieces of any size."""

from __future__ import annotations

import gzip
from pathlib import Path

from capture_packets import pcap, pcapng, see
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from test_capture_analysis import Talk

CAPTURE = gzip.decompress((Path(__file__).parents[2] / "captures" / "telemetry" / "tcp-both-b.pcapng.gz").read_bytes())[
    :6000
]
_QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_QUICK
@given(
    changes=some.lists(some.tuples(some.integers(0, len(CAPTURE) - 1), some.integers(0, 255)), max_size=12),
    length=some.integers(12, len(CAPTURE)),
)
def test_changed_octets_never_crash_the_reader(changes: list[tuple[int, int]], length: int) -> None:
    damaged = bytearray(CAPTURE)
    for place, value in changes:
        if place >= 12:
            damaged[place] = value

    seen = see(bytes(damaged[:length]), piece_bytes=700)

    assert all(1 <= frame <= seen.account.frames for frame in seen.verdicts)


@_QUICK
@given(frames=some.lists(some.binary(max_size=120), max_size=8), link=some.sampled_from([0, 1, 101, 108, 113, 276]))
def test_frames_of_any_octets_never_crash_the_reader(frames: list[bytes], link: int) -> None:
    packets = [(10**18 + number, frame) for number, frame in enumerate(frames)]

    assert see(pcap(packets, link=link)).account.frames == len(frames)
    assert see(pcapng(packets, link=link)).account.frames == len(frames)


_SEGMENT = some.tuples(
    some.booleans(),
    some.integers(0, 6),
    some.integers(0, 7),
    some.sampled_from([16, 24]),
    some.sampled_from([0, 1, 100, 100]),
    some.sampled_from([0, 50, 1000]),
    some.integers(-1, 300),
)


@_QUICK
@given(segments=some.lists(_SEGMENT, max_size=30), piece_bytes=some.integers(1, 900))
def test_the_size_of_the_pieces_does_not_matter(
    segments: list[tuple[bool, int, int, int, int, int, int]], piece_bytes: int
) -> None:
    talk = Talk()
    talk.open()
    at_ms = 30
    reached = [1, 1]
    for by_client, begin, ack, flags, length, window, later in segments:
        at_ms += later
        say = talk.client if by_client else talk.server
        # What was never sent is not acknowledged: a later copy of it is judged by what is still remembered.
        say(at_ms, 1 + 100 * begin, min(1 + 100 * ack, reached[not by_client]), flags, length, window=window)
        reached[by_client] = max(reached[by_client], 1 + 100 * begin + length)
    capture = pcap(talk.packets)

    whole, pieces = see(capture), see(capture, piece_bytes=piece_bytes)

    assert pieces.verdicts == whole.verdicts
    assert pieces.round_trips_ns == whole.round_trips_ns
    assert sorted(map(repr, pieces.connections)) == sorted(map(repr, whole.connections))
