"""A whole run as files for other programs.

In: a run, a form, a new folder.  Out: the folder with all files, or none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shadowlab.lab.recorded.folder import RAW_FOLDER, Recorded
from shadowlab.store.folder import RunFolder
from shadowlab.store.parquet import write_parquet
from shadowlab.store.prometheus import prometheus_text
from shadowlab.store.sheet import Sheet, sheet_of_tables, write_csv
from shadowlab.store.whole import translated
from shadowlab.store.window import Window


def export_run(
    folder: Path, form: str, out: Path, *, zero_ns: int = 0, before: Callable[[], None] = lambda: None
) -> list[Path]:
    """Write; the files that were made.  ``before`` is called when there begins to be something to clear away.

    Raises InputError if ``out`` holds something, ShadowLabError if it gets full or cannot be written.
    """
    recorded = Recorded(folder)
    tables = recorded.ask((), (), Window())
    before()
    with RunFolder(out) as made:
        if form == "prometheus":
            path = made.file("metrics.prom")
            try:
                with path.open("w", encoding="utf-8") as file:
                    file.writelines(prometheus_text(tables, zero_ns))
            except OSError as error:
                raise translated(error, f"write {path.name}", out) from error
            return [path]
        paths = [_write(made.file(f"{kind}s.{form}"), form, sheet_of_tables([table])) for kind, table in tables.items()]
        raw = made.subfolder(RAW_FOLDER)
        for name in recorded.raw_types():
            sheet, _ = recorded.raw(name, (), None, None)
            paths.append(_write(raw / f"{name}.{form}", form, sheet))
        return paths


def _write(path: Path, form: str, sheet: Sheet) -> Path:
    if form == "parquet":
        write_parquet(sheet, path)
        return path
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            write_csv(sheet, file)
    except OSError as error:
        raise translated(error, f"write {path.name}", path.parent) from error
    return path
