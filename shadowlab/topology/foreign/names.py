"""Names for nodes and links from whatever people call them.

In: labels in any script.  Out: names that Linux and our own maps take, each given once.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 40
_UNSAFE = re.compile(r"[^A-Za-z0-9._]+")


def safe_name(label: str, longest: int = LONGEST) -> str:
    """Letters, digits, ``.``, ``_`` and ``-`` only, accents dropped, at most ``longest`` of them; may be empty."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", plain).strip("-.")[:longest].rstrip("-.")


class UniqueNames:
    """Names in use; a name wanted again gets a number."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, wanted: str, longest: int = LONGEST) -> str:
        """``wanted``, cut to ``longest``; numbered from 2 if it is in use."""
        name, count = wanted[:longest], 1
        while name in self._taken:
            count += 1
            suffix = f"-{count}"
            name = wanted[: longest - len(suffix)] + suffix
        self._taken.add(name)
        return name
