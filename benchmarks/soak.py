"""Seven days of a watch in minutes: everything real but the kernel and the hours.  Is its memory flat, and its disk?

A small network breaks every eleven hours for forty minutes.  One line: cycles, incidents, resident memory after the
first day and at the end, bytes of the state folder at both.  ``--days=1`` for less.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import report
from benchmarks.soaked.world import HEAD, FastClock, Production, pretended_run, records, write_world
from shadowlab.lab.execute import Place
from shadowlab.lab.watch.loop import Loop, Said, configured
from shadowlab.lab.watch.notify.interface import Senders

DAY_S = 86_400
_HOUR_S = 3600
_BETWEEN_S, _BROKEN_S = 11 * _HOUR_S, 2400


def broken(now_s: int) -> bool:
    """Whether the link loses packets at that moment."""
    return now_s % _BETWEEN_S > _BETWEEN_S - _BROKEN_S


class Rotated(Production):
    """The followed file is cut every hour, as a rotation does it."""

    def __call__(self, now_s: int) -> None:
        if self._path.stat().st_size > 2_000_000:
            self._path.write_text(HEAD)
        super().__call__(now_s)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=float, default=7.0)
    days = parser.parse_known_args()[0].days
    assert records(30)  # the world is there
    folder = Path(tempfile.mkdtemp(prefix="shadowlab-soak-"))
    process = psutil.Process()
    samples: list[tuple[int, int, int]] = []
    try:
        path = write_world(folder)
        text = path.read_text() + "keep: {cycles: 300, incidents: 48 h, disk: 20 MB}\n"
        path.write_text(text)
        config = configured(path)

        def on_cycle(_: object) -> None:
            if loop.cycles % 60 == 0:
                gc.collect()
                size = sum(one.stat().st_size for one in (folder / "watch").rglob("*") if one.is_file())
                samples.append((loop.cycles, process.memory_info().rss, size))

        senders = Senders(kinds=lambda: {"webhook": lambda one, receiver: None})
        loop = Loop(
            config=config,
            place=Place(kind="embedded", clock="virtual", kernel=None),
            clock=FastClock(Rotated(folder / "live.jsonl", broken)),
            senders=senders.of(config.receivers),
            said=Said(cycle=on_cycle),  # type: ignore[arg-type]
            make_run=pretended_run,
        )
        began = time.process_time()
        state = loop.run(round(days * DAY_S / 60))
        first = next((one for one in samples if one[0] >= min(1440, loop.cycles // 2)), samples[-1])
        report(
            benchmark="soak",
            unit="MB resident",
            values=[one[1] / 1e6 for one in samples if one[0] >= first[0]],
            days=days,
            cycles=state.cycle,
            incidents=state.incidents_opened,
            told=sum(state.told.values()),
            cpu_seconds=round(time.process_time() - began, 1),
            resident_mb_early=round(first[1] / 1e6, 1),
            resident_mb_end=round(samples[-1][1] / 1e6, 1),
            folder_mb_early=round(first[2] / 1e6, 2),
            folder_mb_end=round(samples[-1][2] / 1e6, 2),
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
