"""The page on remediation scripts shows the one that ships, which the story of the demo runs."""

from document import ROOT, blocks


def test_the_page_shows_the_script_that_ships_word_for_word() -> None:
    shown = blocks(ROOT / "docs" / "how-to" / "remediation-script.md", "sh")

    assert shown == [(ROOT / "topologies" / "scripts" / "enable-fec.sh").read_text()]
