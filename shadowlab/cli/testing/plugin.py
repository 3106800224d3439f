"""The pytest plugin: a fixture that runs shadows, and a mark that says what each must keep.

In: tests.  Out: the fixture ``shadow`` and the mark ``service_level``.  Imports little: it is loaded in every pytest of
an environment that has ShadowLab, wanted or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shadowlab.cli.testing.shadow import Shadow

MARK = "service_level"


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known, so that ``--strict-markers`` takes it."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(kpi, limit, paths='*', tolerated='0 %', window='5 s'): every shadow of the test keeps the indicator "
        "at or below the limit (at or above it where less is bad) on the paths that the pattern fits",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A promise that nothing is held to is a test that cannot fail."""
    if item.get_closest_marker(MARK) and "shadow" not in getattr(item, "fixturenames", ()):
        pytest.fail(f"mark {MARK}: the test runs no shadow; give it the fixture `shadow`", pytrace=False)


@pytest.fixture
def shadow(request: pytest.FixtureRequest, tmp_path: Path) -> Shadow:
    """``shadow("map.yaml")`` or ``shadow("scenario.yaml")`` runs it on the virtual clock, without root: see
    :class:`shadowlab.cli.testing.shadow.Shadow`.  Files are named relative to the test's own."""
    from shadowlab.cli.testing.shadow import Promise, Shadow

    marks = list(request.node.iter_markers(MARK))[::-1]
    try:
        promises = tuple(Promise.of(*mark.args, **mark.kwargs) for mark in marks)
    except (TypeError, ValueError) as error:
        pytest.fail(f"mark {MARK}: {error}", pytrace=False)
    return Shadow(
        beside=request.path.parent,
        out=tmp_path,
        promises=promises,
        record=lambda name, value: request.node.user_properties.append((name, value)),
        fail=lambda message: pytest.fail(message, pytrace=False),
    )
