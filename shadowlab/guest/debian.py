from __future__ import annotations

from shadowlab.guest.cache import BuiltKernel


def installed_kernel() -> BuiltKernel | None:
    return None
