"""The page on what-if questions has a command for every kind there is."""

import re
from pathlib import Path

from shadowlab.predict.scenario.kinds import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "what-if.md"


def test_every_kind_of_scenario_is_asked_about_on_the_page() -> None:
    asked = set(re.findall(r"(?:-s|--scenario) \"?([a-z-]+)=", PAGE.read_text()))

    assert set(KINDS) - asked <= {"timeline"}  # stands in a file of questions
    assert "timeline:" in PAGE.read_text()
