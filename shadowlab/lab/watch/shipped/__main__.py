"""Print one of the shipped files.  In: its short name.  Out: its text on stdout; exit code 2 for a name unknown."""

from __future__ import annotations

import sys

from shadowlab.lab.watch.shipped import SHIPPED, shipped_text


def main(words: list[str]) -> int:
    """The exit code."""
    if len(words) != 1 or words[0] not in SHIPPED:
        sys.stderr.write(f"usage: python -m shadowlab.lab.watch.shipped {'|'.join(SHIPPED)}\n")
        return 2
    sys.stdout.write(shipped_text(words[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
