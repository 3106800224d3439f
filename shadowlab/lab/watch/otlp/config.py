"""Where the figures go.  In: nothing.  Out: the type of the watch file's section.  Never: a file read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class OtlpConfig:
    """``url`` is the whole address, ``/v1/metrics`` included.  The files are read when something is sent."""

    url: str
    token_file: Path | None = None
    ca_file: Path | None = None
