"""Markdown, as far as the tests of the documents need it: links, anchors, tables, fenced blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]

_LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """The README and everything in ``docs/``."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def prose(path: Path) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", path.read_text())


def links(path: Path) -> list[str]:
    """Relative targets of links and images."""
    found = (one or other for one, other in _LINK.findall(prose(path)))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(path: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [text for found, text in _FENCE.findall(path.read_text()) if found == language]


def commands(path: Path) -> list[str]:
    """Every ``shadowlab …`` line of the shell blocks, and every one in running text that has an argument."""
    shown = [line.strip() for text in blocks(path, "sh") for line in text.splitlines()]
    shown = [line.removeprefix(".venv/bin/").removesuffix(" &") for line in shown]
    inline = re.findall(r"`(shadowlab (?:run|plan|kernel)\b[^`]*)`", " ".join(prose(path).split()))
    return [line for line in (*shown, *inline) if line.startswith("shadowlab ") and "|" not in line]


def rows(path: Path, mark: str) -> list[list[str]]:
    """The cells of the first table after ``mark``, without its head."""
    _, there, after = path.read_text().partition(mark)
    assert there, f"{path.name} does not say {mark!r}"
    table = re.search(r"^\|.*\n\|[-| ]+\n((?:\|.*\n?)+)", after, re.MULTILINE)
    assert table, f"{path.name}: no table after {mark!r}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].strip().splitlines()]


def first_cells(path: Path, mark: str) -> list[str]:
    """The words in backquotes of the first column."""
    return [word for row in rows(path, mark) for word in re.findall(r"`([^`]+)`", row[0])]
