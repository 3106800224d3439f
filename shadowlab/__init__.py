"""ShadowLab keeps a shadow of a production network on a real Linux kernel and predicts its troubles.

Importing this package does nothing and imports nothing: the command line is in :mod:`shadowlab.cli`.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As in ``typing``, which is not imported: type checkers know the name."""

if TYPE_CHECKING:
    from shadowlab.lab.live.api import Lab as Lab

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``shadowlab.Lab``, imported when it is asked for: importing the package stays fast."""
    if name == "Lab":
        from shadowlab.lab.live.api import Lab

        return Lab
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
