"""How the libraries of the page come into the package."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from scripts import pack_page
from shadowlab.serve import page


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page folder that wants one file of one library, and a cache that has it."""
    monkeypatch.setenv("SHADOWLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    monkeypatch.setattr(pack_page, "PAGE", tmp_path)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in (("package/dist/lib.mjs", b"export {}"), ("package/LICENSE", b"Do as you like.")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    (tmp_path / "cache" / "page").mkdir(parents=True)
    (tmp_path / "cache" / "page" / "lib-1.2.3.tgz").write_bytes(content.getvalue())
    library = {"package": "lib", "version": "1.2.3", "licence": "MIT", "files": {"dist/lib.mjs": "lib.js"}}
    library["integrity"] = pack_page._integrity(content.getvalue())
    (tmp_path / "libraries.json").write_text(json.dumps([library]))
    return tmp_path


def test_a_library_is_placed_with_its_licence_and_not_twice(place: Path) -> None:
    assert not pack_page.packed()

    assert pack_page.main() == 0

    assert pack_page.packed()
    assert (place / "vendor" / "lib.js").read_bytes() == b"export {}"
    assert (place / "vendor" / "LICENSES").read_text() == "lib 1.2.3 (MIT)\n\nDo as you like.\n"


def test_what_has_another_checksum_is_not_taken(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "cache" / "page" / "lib-1.2.3.tgz").write_bytes(b"something else")

    assert pack_page.main() == 3  # and without npm it cannot be fetched again

    assert "npm is missing, which fetches lib@1.2.3" in capsys.readouterr().err
    assert not (place / "vendor" / "lib.js").exists()


def test_a_library_that_lost_a_file_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = json.loads((place / "libraries.json").read_text())
    wanted[0]["files"] = {"dist/gone.mjs": "lib.js"}
    (place / "libraries.json").write_text(json.dumps(wanted))

    assert pack_page.main() == 3

    assert "no file dist/gone.mjs" in capsys.readouterr().err


def test_what_is_missing_of_the_page_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libraries.json").write_text('[{"files": {"a": "a.js", "b": "b.css"}}]')
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.js").touch()
    monkeypatch.setattr(page, "FOLDER", tmp_path)

    assert page.missing() == ("vendor/b.css",)


def test_the_page_asks_no_other_server_and_writes_nothing_inline() -> None:
    sources = [path for path in page.FOLDER.rglob("*") if path.suffix in (".js", ".css", ".html")]
    own = [path for path in sources if "vendor" not in path.parts]
    assert len(own) > 20

    for path in own:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, path
        assert "innerHTML" not in text and "<style" not in text and " style=" not in text, path
        assert len(text.splitlines()) < 500, path
    html = (page.FOLDER / "index.html").read_text(encoding="utf-8")
    assert html.count("<script") == html.count("<script src=") + html.count('<script type="module" src=')
