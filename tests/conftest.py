"""The order of the files: those that take long come first, so that no worker is left with one at the end.

And patience: how fast a machine draws examples is no property of what is tested.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LONGEST_FIRST = ("stories/test_lab.py", "stories/test_interrupted.py", "vm", "stories", "guest", "golden", "contract")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        parts = (number for number, part in enumerate(LONGEST_FIRST) if f"/tests/{part}" in str(item.path))
        return next(parts, len(LONGEST_FIRST))

    items.sort(key=place)
