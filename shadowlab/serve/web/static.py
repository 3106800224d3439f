"""The page's files: a fixed list, made once, so that no path leads out of it.

In: a folder.  Out: files by the path they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from shadowlab.serve.web.problem import RefusedError

MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
TEXTS = ("LICENSES",)
INDEX = "index.html"


def page_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Path in the URL (without the first slash) to file and media type; hidden files and programs are left out."""
    found = {}
    for one in sorted(folder.rglob("*")) if folder.is_dir() else ():
        name = one.relative_to(folder).as_posix()
        if one.is_symlink() or not one.is_file() or any(part.startswith((".", "__")) for part in name.split("/")):
            continue
        if one.suffix in MEDIA:
            found[name] = (one, MEDIA[one.suffix])
        elif one.name in TEXTS:
            found[name] = (one, "text/plain; charset=utf-8")
    if INDEX in found:
        found[""] = found[INDEX]
    return found


class Page:
    """``lacks`` says what keeps the page from working; empty if nothing does."""

    def __init__(self, files: Mapping[str, tuple[Path, str]], lacks: str) -> None:
        self._files, self._lacks = files, lacks

    async def answer(self, request: Request) -> Response:
        name = request.path_params["file"]
        if name in ("", INDEX) and self._lacks:
            return PlainTextResponse(f"{self._lacks}\nThe API is there: /api/v1/openapi.json\n", 503)
        if name not in self._files:
            raise RefusedError(404, "there is no such file")
        path, media = self._files[name]
        return FileResponse(path, media_type=media, headers={"Cache-Control": "no-cache"})
