"""The colours of the report, told apart by people with any colour vision (after Okabe and Ito, 2008).

In: nothing.  Out: a light and a dark value for each role.  Figures are drawn in the light values; in inline SVG each
value becomes a CSS variable of its role, so that the page may change to the dark ones.  Never: two roles of one value.
"""

from __future__ import annotations

INK = "#1b2631"
MUTED = "#566573"
FAINT = "#97a3af"
GRID = "#e4e9ee"
SURFACE = "#fefefe"
HEALTHY = "#0072b2"
FAULT = "#cf4f00"
AFFECTED = "#e69f00"
BEST = "#00805c"
LIMIT = "#9c3f7d"
UTILISATION = ("#c5ced6", "#90b9d9", "#3f8dc6", "#0b4a7d")
"""Below a quarter, a half, three quarters, and above."""

LIGHT = {
    "ink": INK,
    "muted": MUTED,
    "faint": FAINT,
    "grid": GRID,
    "surface": SURFACE,
    "healthy": HEALTHY,
    "fault": FAULT,
    "affected": AFFECTED,
    "best": BEST,
    "limit": LIMIT,
    **{f"u{index}": value for index, value in enumerate(UTILISATION)},
}
DARK = {
    "ink": "#e6ecf1",
    "muted": "#a5b2be",
    "faint": "#6f7d8a",
    "grid": "#2a343e",
    "surface": "#171d23",
    "healthy": "#5cb6ea",
    "fault": "#ff8b4d",
    "affected": "#f2bb45",
    "best": "#45cfa3",
    "limit": "#dd97c6",
    "u0": "#46535f",
    "u1": "#3d6f97",
    "u2": "#57a5de",
    "u3": "#c4e5ff",
}


def variables(theme: dict[str, str]) -> str:
    """The theme as CSS declarations."""
    return " ".join(f"--{role}: {value};" for role, value in theme.items())
