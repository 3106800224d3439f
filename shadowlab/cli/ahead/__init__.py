"""Commands that look ahead: ``whatif``, ``sweep``, ``headroom``, ``forecast``."""
