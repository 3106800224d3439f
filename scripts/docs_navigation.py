"""The navigation of the site, from the contents page: there is one list of the documents, and this is not it.

In: docs/index.md, bold lines that name sections and links below them.  Out: the navigation, as MkDocs wants it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


def navigation(contents: str) -> list[Any]:
    """README, the contents page, and under the name of each section its documents, as paths from the root."""
    _, *sections = re.split(r"^\*\*(.+)\*\*$", contents, flags=re.MULTILINE)
    return [
        "README.md",
        "docs/index.md",
        *(
            {name: [f"docs/{target}".replace("docs/../", "") for target in re.findall(r"\]\(([^)#]+\.md)\)", links)]}
            for name, links in zip(sections[::2], sections[1::2], strict=True)
        ),
    ]


def on_config(config: Any) -> Any:
    """Called by MkDocs once it has read mkdocs.yml."""
    config["nav"] = navigation((_ROOT / "docs" / "index.md").read_text())
    return config
