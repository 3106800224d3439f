"""What agent, receiver and authority say to wrong input: one line, with the cure, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from shadowlab.cli.commands import shadowlab
from shadowlab.errors import InputError


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("agent --to http://x --identity me", "http://x: expected https://HOST:PORT"),
        ("agent --to https://x:99999 --identity me", "out of range"),
        ("agent --to https://x --identity nowhere", "nowhere/token: no token"),
        ("agent --to https://x", "--to needs --identity"),
        ("agent --instance ..", "cannot name an instance"),
        ("agent --hash-addresses short", "short: no key: 3 bytes"),
        ("agent --map-addresses short", "short:1: expected two addresses"),
        ("replicate-server --folder q --listen abc --identity me --tokens t", "expected ADDRESS:PORT"),
        ("replicate-server --folder q --identity nowhere --tokens t", "no certificates and key"),
        ("ca issue web --folder nowhere", "make an authority with 'shadowlab ca init --folder nowhere'"),
    ],
)
def test_wrong_input_is_told_in_a_line(line: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "token").write_text("0123456789abcdef\n")
    (tmp_path / "short").write_text("abc\n")
    before = sorted(tmp_path.rglob("*"))

    # Without a wrong word this would keep running: root's rights are only given up behind these checks.
    result = CliRunner().invoke(shadowlab, line.split())

    assert isinstance(result.exception, InputError), result.output
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)
    assert sorted(tmp_path.rglob("*")) == before
