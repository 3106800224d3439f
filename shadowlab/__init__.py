"""ShadowLab keeps a shadow of a production network on a real Linux kernel and predicts its troubles.

Importing this package does nothing and imports nothing: the command line is in :mod:`shadowlab.cli`, what is done from
Python in :mod:`shadowlab.notebook` and :mod:`shadowlab.lab.live.api`.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As in ``typing``, which is not imported: type checkers know the name."""

if TYPE_CHECKING:
    from shadowlab.lab.live.api import Lab as Lab
    from shadowlab.notebook.doing import load_map as load_map
    from shadowlab.notebook.doing import locate as locate
    from shadowlab.notebook.doing import read_answer as read_answer
    from shadowlab.notebook.doing import read_calibration as read_calibration
    from shadowlab.notebook.doing import read_run as read_run
    from shadowlab.notebook.doing import run as run
    from shadowlab.notebook.doing import sweep as sweep
    from shadowlab.notebook.doing import whatif as whatif

__version__ = "0.1.0"

_DOING = ("load_map", "locate", "read_answer", "read_calibration", "read_run", "run", "sweep", "whatif")


def __getattr__(name: str) -> object:
    """``shadowlab.Lab`` and the like, imported when asked for: importing the package stays fast."""
    if name == "Lab":
        from shadowlab.lab.live.api import Lab

        return Lab
    if name in _DOING:
        from shadowlab.notebook import doing

        found: object = getattr(doing, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "Lab", *_DOING]
