"""The few pieces the page is made of.

In: plain text.  Out: HTML in which every text is escaped.  Never: text from data that reaches the page unescaped: only
:class:`Html` values pass as they are.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from shadowlab.report.figure import Plot
from shadowlab.report.words import NOTHING, plural

MOST_ROWS = 50
_UNBROKEN = 32
_UNIT = re.compile(r"(?<=\d) (?=(?:%|[nµm]?s|[kMGT]?bit/s)\b|%)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Html(str):
    """Markup: already escaped."""

    __slots__ = ()


def text(value: object) -> Html:
    """The value as page text: escaped unless it is markup; control characters shown as a replacement sign."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True))


def join(*parts: object) -> Html:
    """Pieces one after the other."""
    return Html("\n".join(text(part) for part in parts if part != ""))


def tag(name: str, *parts: object, **attributes: str) -> Html:
    """An element.  ``class_`` becomes ``class``."""
    written = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items() if value)
    return Html(f"<{name}{written}>{''.join(text(part) for part in parts)}</{name}>")


def section(anchor: str, title: str, *parts: object, lead: str = "") -> Html:
    """A part of the page with its heading."""
    introduction = tag("p", prose(lead), class_="lead") if lead else ""
    return Html(f'<section id="{anchor}">{join(tag("h2", title), introduction, *parts)}</section>')


def table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Iterable[int] = (),
    most: int = MOST_ROWS,
    empty: str = "None.",
) -> Html:
    """A table whose first column names the row; columns in ``right`` hold numbers.  Longer ones end with what is left
    out.  Without rows only ``empty`` is said."""
    if not rows:
        return tag("p", empty, class_="none")
    numbers = frozenset(right)

    def side(index: int) -> str:
        return ' class="n"' if index in numbers else ""

    head = "".join(f'<th scope="col"{side(index)}>{text(one)}</th>' for index, one in enumerate(heads))
    body = []
    for row in rows[:most]:
        cells = "".join(f"<td{side(index)}>{text(one)}</td>" for index, one in enumerate(row) if index)
        whole = ' class="k"' if len(str(row[0])) <= _UNBROKEN or isinstance(row[0], Html) else ""
        body.append(f'<tr><th scope="row"{whole}>{text(row[0])}</th>{cells}</tr>')
    more = len(rows) - most
    note = (
        tag("p", f"and {plural(more, 'more row')}; all of them are in result.json.", class_="note") if more > 0 else ""
    )
    scroll = f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}">'
    return Html(
        f"{scroll}<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>{note}"
    )


def long_table(
    caption: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Iterable[int] = (),
    shown: int = 10,
    empty: str = "None.",
) -> Html:
    """A table of which the first rows are in view and the others folded away."""
    numbers = frozenset(right)
    if len(rows) <= shown + 3:
        return table(caption, heads, rows, right=numbers, empty=empty)
    rest = rows[shown:]
    return join(
        table(caption, heads, rows[:shown], right=numbers),
        folded(f"{plural(len(rest), 'more row')}", table(f"{caption}: continued", heads, rest, right=numbers)),
    )


def figure(plot: Plot, *, titled: bool = True) -> Html:
    """A plot with its caption.  Wide ones use the whole of a narrow screen."""
    title = tag("h3", plot.title) if titled else ""
    kind = "wide" if plot.wide else "narrow"
    return Html(
        f'<figure class="{kind}">{title}<div class="scroll">{plot.svg}</div>{tag("figcaption", plot.caption)}</figure>'
    )


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and values."""
    rows = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return Html(f'<dl class="facts">{rows}</dl>')


def items(lines: Iterable[object], *, ordered: bool = False) -> Html:
    """A list; a dash when it is empty."""
    written = "".join(f"<li>{text(line)}</li>" for line in lines)
    kind = "ol" if ordered else "ul"
    return Html(f"<{kind}>{written}</{kind}>") if written else text(NOTHING)


def folded(summary: str, *parts: object, unfolded: bool = False) -> Html:
    """Something to be opened by whoever wants it; printed open."""
    return Html(f"<details{' open' if unfolded else ''}><summary>{text(summary)}</summary>{join(*parts)}</details>")


def prose(words: str) -> Html:
    """A sentence whose numbers stay on one line with their units."""
    return Html(_UNIT.sub("\N{NO-BREAK SPACE}", text(words)))


def badge(words: object, kind: str) -> Html:
    """A short judgement; ``kind`` is good, bad, or plain."""
    return tag("span", words, class_=f"badge {kind}")
