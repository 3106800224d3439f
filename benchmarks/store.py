"""What the store costs: bytes per sample, samples a second written and read, a window of ten million samples; beside
Parquet, CSV and SQLite with the same samples in the same run.

The samples are indicators of 100 paths over 100 000 seconds, eight of them for the sizes and one for the ten million:
latencies around a level that drifts, shares that are mostly zero.  They are rounded as the store rounds them before
anybody writes them, so all keep the same values.  Every file is written once, then read from the page cache, three
times, of which the fastest counts; seconds are those of the processor.  Raw records are written as the guest writes
them, by the standard library.
"""

from __future__ import annotations

import csv
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import report
from shadowlab.model.kpi import KPIS, SeriesTable
from shadowlab.store.reader import BlockReader
from shadowlab.store.recorder import BlockFile
from shadowlab.store.records import RECORDS
from shadowlab.store.tables import encode_table, rounded
from shadowlab.store.window import Samples, Window, tabled
from shadowlab.wire.tcp_info import TCP_INFO_FIELDS

SUBJECTS = 100
MOMENTS = 100_000
SIZES_MOMENTS = 5_000
CSV_SAMPLES = 1_000_000
"""What CSV and SQLite get of the ten million: the rest is more of the same, and takes minutes."""
ARROW = find_spec("pyarrow") is not None
"""Without it there are no Parquet lines."""
RUNS = 3
INFO_BYTES = 248
"""As Linux 6.12 gives it."""
_GROW = {
    "bytes_acked": 600_000,
    "bytes_sent": 600_000,
    "segs_out": 420,
    "segs_in": 210,
    "data_segs_out": 414,
    "delivered": 414,
    "busy_time": 990_000,
    "total_retrans": 1,
    "bytes_retrans": 1_448,
    "dsack_dups": 0.1,
}
"""Counters and how much they grow from sample to sample, at 5 Mbit/s."""
_WANDER = {
    "rto": 244_000,
    "rtt": 41_000,
    "rttvar": 900,
    "snd_cwnd": 18,
    "pacing_rate": 760_000,
    "unacked": 14,
    "delivery_rate": 610_000,
    "last_data_sent": 12,
    "last_ack_recv": 9,
    "notsent_bytes": 90_000,
    "snd_wnd": 400_000,
}
"""The rest of what changes, around a level."""
S = 1_000_000_000
WINDOW = Window(from_ns=5_000 * S, to_ns=5_090 * S, every_ns=10 * S, aggregate="p95")
WHOLE = Window(every_ns=100 * S, aggregate="mean")


def _level(random: np.random.Generator, moments: int, base: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    drift = np.cumsum(random.normal(0, base * 1e-3, (moments, SUBJECTS)), axis=0)
    return rounded(base + drift + np.abs(random.normal(0, base * 0.02, (moments, SUBJECTS))))


def _table(moments: int, names: tuple[str, ...]) -> SeriesTable:
    random = np.random.default_rng(1)
    values = {}
    for name in names:
        if KPIS[name].unit == "fraction":
            some = random.random((moments, SUBJECTS)) < 0.02
            values[name] = rounded(np.where(some, random.integers(1, 6, (moments, SUBJECTS)) / 5, 0.0))
        else:
            values[name] = _level(random, moments, 40.0)
    times = np.arange(1, moments + 1, dtype=np.int64) * S
    return SeriesTable(times_ns=times, subjects=tuple(f"h{one}→t{one}" for one in range(SUBJECTS)), values=values)


def _fastest(work: Callable[[], object]) -> float:
    took = []
    for _ in range(RUNS):
        before = time.process_time()
        work()
        took.append(time.process_time() - before)
    return min(took)


def _once(work: Callable[[], object]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


def _rows(table: SeriesTable) -> Iterator[tuple[int | float | str, ...]]:
    columns = [one.tolist() for one in table.values.values()]
    for moment, at in enumerate(table.times_ns.tolist()):
        for place, subject in enumerate(table.subjects):
            yield (at, subject, *(column[moment][place] for column in columns))


def _asked(path: Path, name: str, window: Window) -> SeriesTable:
    """What ``shadowlab query`` does."""
    with BlockReader(path) as reader:
        start = None if window.from_ns is None else window.from_ns + 1
        end = None if window.to_ns is None else window.to_ns + 1
        found = reader.read(["at_ns", "subject", name], from_ns=start, to_ns=end)
        samples = Samples(
            times_ns=found["at_ns"],
            subject=found["subject"].astype(np.int64),
            values={name: found[name]},
            subjects=reader.names["subject"],
        )
        return tabled(samples, range(SUBJECTS), window)


def _scan(path: Path, names: tuple[str, ...]) -> int:
    with BlockReader(path) as reader:
        return len(reader.read(names))


def _write_csv(path: Path, table: SeriesTable) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["at_ns", "subject", *table.values])
        rows.writerows((*row[:2], *(f"{one:.9g}" for one in row[2:])) for row in _rows(table))


def _read_csv(path: Path) -> int:
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return sum(1 for row in rows if [float(one) for one in row[2:]])


def _write_sqlite(path: Path, table: SeriesTable) -> None:
    columns = ", ".join(f"{name} REAL" for name in table.values)
    marks = ", ".join("?" * (2 + len(table.values)))
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(f"CREATE TABLE t (at_ns INTEGER, subject TEXT, {columns})")
        base.executemany(f"INSERT INTO t VALUES ({marks})", _rows(table))
        base.execute("CREATE INDEX by_time ON t (at_ns)")


def _read_sqlite(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as base:
        return sum(1 for _ in base.execute(f"SELECT at_ns, subject, {name} FROM t"))


def _window_sqlite(path: Path, name: str) -> int:
    """SQLite has no percentile: it hands the samples over, which flatters it."""
    words = f"SELECT at_ns, subject, {name} FROM t WHERE at_ns > ? AND at_ns <= ?"
    with closing(sqlite3.connect(path)) as base:
        return len(base.execute(words, (WINDOW.from_ns, WINDOW.to_ns)).fetchall())


def _arrow_table(table: SeriesTable) -> object:
    import pyarrow

    width = len(table.subjects)
    numbers = pyarrow.array(np.tile(np.arange(width, dtype=np.int32), len(table.times_ns)))
    return pyarrow.table(
        {
            "at_ns": np.repeat(table.times_ns, width),
            "subject": pyarrow.DictionaryArray.from_arrays(numbers, list(table.subjects)),
            **{name: values.reshape(-1) for name, values in table.values.items()},
        }
    )


def _compare(folder: Path, topic: str, table: SeriesTable, names: tuple[str, ...]) -> None:
    """One line per format: bytes per sample, samples a second written and scanned."""
    samples = table.times_ns.size * len(table.subjects) * len(table.values)
    few = SeriesTable(
        times_ns=table.times_ns[: CSV_SAMPLES // SUBJECTS // len(names)],
        subjects=table.subjects,
        values={name: values[: CSV_SAMPLES // SUBJECTS // len(names)] for name, values in table.values.items()},
    )
    some = few.times_ns.size * len(few.subjects) * len(few.values)

    ours = folder / "t.blocks"
    took = _once(lambda: ours.write_bytes(encode_table("path", table)))
    scan = _fastest(lambda: _scan(ours, ("at_ns", "subject", *names)))
    _line(topic, "store", ours, samples, took, scan)

    if ARROW:
        _compare_parquet(folder, topic, table, names, samples)

    text = folder / "t.csv"
    _line(topic, "CSV", text, some, _once(lambda: _write_csv(text, few)), _once(lambda: _read_csv(text)))

    base = folder / "t.sqlite"
    took = _once(lambda: _write_sqlite(base, few))
    _line(topic, "SQLite", base, some, took, _once(lambda: [_read_sqlite(base, name) for name in names]))


def _compare_parquet(folder: Path, topic: str, table: SeriesTable, names: tuple[str, ...], samples: int) -> None:
    import pyarrow.parquet

    theirs = folder / "t.parquet"
    took = _once(lambda: pyarrow.parquet.write_table(_arrow_table(table), theirs, compression="zstd"))
    scan = _fastest(lambda: pyarrow.parquet.read_table(theirs, use_threads=False))
    _line(topic, "Parquet (pyarrow, zstd)", theirs, samples, took, scan)

    # Split by bytes as our planes are: the fairest peer, which hardly anybody sets up.
    split = folder / "split.parquet"
    options: dict[str, object] = {"compression": "zstd", "use_dictionary": ["subject"]}
    options["column_encoding"] = dict.fromkeys(names, "BYTE_STREAM_SPLIT")
    took = _once(lambda: pyarrow.parquet.write_table(_arrow_table(table), split, **options))
    scan = _fastest(lambda: pyarrow.parquet.read_table(split, use_threads=False))
    _line(topic, "Parquet (the same, byte stream split)", split, samples, took, scan)


def _line(topic: str, name: str, path: Path, samples: int, write_s: float, scan_s: float) -> None:
    size = path.stat().st_size / samples
    report(benchmark=f"{topic}: size", unit="bytes per sample", values=[size], format=name, samples=samples)
    report(benchmark=f"{topic}: written", unit="samples/s", values=[samples / write_s], format=name, samples=samples)
    report(benchmark=f"{topic}: scanned", unit="samples/s", values=[samples / scan_s], format=name, samples=samples)


def _latencies(folder: Path, name: str) -> None:
    """A window of 90 s of a day and more, in steps of ten seconds; and all of it in steps of 100 s."""
    ours, theirs, base = folder / "t.blocks", folder / "t.parquet", folder / "t.sqlite"
    bounds = [("at_ns", ">", WINDOW.from_ns), ("at_ns", "<=", WINDOW.to_ns)]

    def filtered() -> object:
        import pyarrow.parquet

        return pyarrow.parquet.read_table(theirs, filters=bounds, use_threads=False)

    for asked, name_of_it, work in (
        ("a window of 90 s", "store", lambda: _asked(ours, name, WINDOW)),
        (
            "a window of 90 s",
            "Parquet (pyarrow, filter only)",
            filtered,
        ),
        ("a window of 90 s", f"SQLite (index; only {CSV_SAMPLES} samples)", lambda: _window_sqlite(base, name)),
        ("means of 100 s of all", "store", lambda: _asked(ours, name, WHOLE)),
    ):
        if ARROW or work is not filtered:
            report(
                benchmark=f"store, 1e7 samples: {asked}", unit="ms", values=[_fastest(work) * 1e3], format=name_of_it
            )


def _raw(folder: Path) -> None:
    """Raw records by the standard library: probes and the TCP_INFO of flows that send."""
    random = np.random.default_rng(2)
    count = 200_000
    trips = (40_000_000 + np.abs(random.normal(0, 800_000, count))).astype(np.int64).tolist()
    sent = (np.arange(count) * 2_000_000 + random.integers(0, 1_000_000, count)).tolist()
    with BlockFile(str(folder / "probes"), RECORDS["probes"]) as file:
        append = file.rows.append
        before = time.process_time()
        for number in range(count):
            append(sent[number], number % 100, number // 100, trips[number], trips[number] >> 1)
        file.flush()
        took = time.process_time() - before
    _raw_line("probes", folder / "probes", count, took)
    count = 40_000
    texts = _tcp_infos(random, count // 100)
    with BlockFile(str(folder / "tcp"), RECORDS["tcp"]) as file:
        append = file.rows.append
        before = time.process_time()
        for number in range(count):
            append(number // 100 * S, number % 100, 0, 0, number * 1448, 0, texts[number])
            if number % 4_000 == 3_999:
                file.flush()
        file.flush()
        took = time.process_time() - before
    _raw_line("tcp", folder / "tcp", count, took)


def _tcp_infos(random: np.random.Generator, samples: int) -> list[bytes]:
    """Of 100 flows that send, of one kernel: counters that grow unevenly, times and windows that wander."""
    info = np.zeros((samples, 100, INFO_BYTES), dtype=np.uint8)
    for name, offset, form in TCP_INFO_FIELDS:
        size = np.dtype(form).itemsize
        if offset + size > INFO_BYTES:
            continue
        if name in _GROW:
            values = np.cumsum(random.poisson(_GROW[name], (samples, 100)), axis=0)
        elif name in _WANDER:
            values = np.rint(_WANDER[name] * (1 + 0.05 * random.standard_normal((samples, 100))))
        else:
            values = np.full((samples, 100), offset)
        info[:, :, offset : offset + size] = values.astype(f"<u{size}")[..., None].view(np.uint8)
    return [one.tobytes() for one in info.reshape(-1, INFO_BYTES)]


def _raw_line(name: str, path: Path, records: int, took: float) -> None:
    scan = _fastest(lambda: _scan(path, tuple(one.name for one in RECORDS[name].columns)))
    size = path.stat().st_size / records
    report(benchmark=f"store, raw {name}: size", unit="bytes per record", values=[size], records=records)
    report(benchmark=f"store, raw {name}: written", unit="records/s", values=[records / took], records=records)
    report(benchmark=f"store, raw {name}: scanned", unit="records/s", values=[records / scan], records=records)


def main() -> None:
    """Measure and print."""
    eight = tuple(name for name, one in KPIS.items() if one.subject == "path")[:8]
    with tempfile.TemporaryDirectory() as folder:
        _raw(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        _compare(Path(folder), "store, eight KPIs", _table(SIZES_MOMENTS, eight), eight)
    with tempfile.TemporaryDirectory() as folder:
        _compare(Path(folder), "store, one KPI", _table(MOMENTS, ("latency_ms",)), ("latency_ms",))
        _latencies(Path(folder), "latency_ms")


if __name__ == "__main__":
    main()
