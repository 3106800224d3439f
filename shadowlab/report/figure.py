"""One figure: made without global state, written as PNG and as inline SVG.

In: a width and a height, later the drawn figure.  Out: bytes and text that depend on the drawing alone (no date, no
chance).  Never: pyplot, a window, a font from elsewhere, a reference out of the SVG.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from shadowlab.report.palette import FAINT, GRID, INK, LIGHT, MUTED, SURFACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG_DPI = 144
_COLOURS = {
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": GRID,
    "axes.facecolor": "none",
    "figure.facecolor": SURFACE,
    "savefig.facecolor": SURFACE,
}
_SIZES = {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0.0,
    "grid.linewidth": 0.6,
}
_STYLE: dict[str, Any] = {
    **_COLOURS,
    **_SIZES,
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,  # a node may be called $x
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "shadowlab",
    "path.simplify": True,
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A finished plot: ``svg`` for the page, ``png`` for the run folder.  ``alt`` says in words what it shows."""

    name: str
    title: str
    caption: str
    alt: str
    svg: str
    png: bytes
    wide: bool = False


@contextmanager
def drawing() -> Iterator[None]:
    """The house style, for as long as the block lasts."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in a script the bundled font lacks is drawn as boxes in the PNG and rightly in the SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        matplotlib.rcdefaults()  # a matplotlibrc of the reader must not change a report
        matplotlib.rcParams.update(cast(Any, _STYLE))
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches.  To be called inside :func:`drawing`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def finish(figure: Figure, *, name: str, title: str, caption: str, alt: str, wide: bool = False) -> Plot:
    """Write the figure both ways."""
    return Plot(
        name=name,
        title=title,
        caption=caption,
        alt=alt,
        svg=_svg(figure, name, alt),
        png=_png(figure),
        wide=wide,
    )


def quiet_axes(axes: Axes) -> None:
    """No frame, no ticks, no grid."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _svg(figure: Figure, name: str, alt: str) -> str:
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata, facecolor="none")
    text = buffer.getvalue()
    text = re.sub(r"<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    referred = set(re.findall(r'(?:url\(|href=")#([\w.-]+)', text))
    text = re.sub(r"<[^>]*>", lambda match: _own_tag(match[0], name, referred), text)
    view = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">") + 1 :].strip()
    label = html.escape(alt, quote=True)
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'{view[0] if view else ""} role="img" aria-label="{label}">'
    )
    return root + re.sub(r"\n\s*", "\n", body)


def _own_tag(tag: str, name: str, referred: set[str]) -> str:
    """The tag in the page's terms: ids that are unique in the page, colours by role, the page's typeface."""
    tag = re.sub(r' id="([^"]*)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in referred else "", tag)
    tag = tag.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    tag = re.sub(r"(font: [^;\"']*?px) '[^;\"]*", r"\1 var(--face)", tag)
    for role, value in LIGHT.items():
        tag = tag.replace(value, f"var(--{role})")
    return tag
