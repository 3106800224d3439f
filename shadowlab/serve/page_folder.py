"""Where the page is, and what it lacks.

In: nothing.  Out: a folder, and words.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path


def page_folder() -> tuple[Path, str]:
    """The folder of ``index.html``, and why it is of no use; empty if it is."""
    folder = Path(__file__).parent / "page"
    try:
        page = import_module("shadowlab.serve.page")
    except ModuleNotFoundError:
        return folder, "this ShadowLab came without its page; the API works"
    missing = page.missing()
    return folder, f"the page lacks {', '.join(missing)}: {page.INSTALL}" if missing else ""
