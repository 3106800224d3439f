"""What the build does before it packs: fetch the libraries of the web page, so that the wheel holds them.

In: hatchling's call.  Out: shadowlab/serve/page/vendor filled.  Without npm the rest is built all the same, with a
warning: only ``shadowlab serve`` lacks its page then, and says so.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import pack_page


class PageHook(BuildHookInterface[Any]):
    """Named in pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before each build; an editable install leaves it to scripts/setup."""
        if version == "editable" or pack_page.packed():
            return
        try:
            pack_page.pack()
        except (pack_page.CannotPack, OSError) as error:
            self.app.display_warning(f"built without the web page's libraries: {error}")
