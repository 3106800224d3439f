"""Observations from a file: JSON lines, a network and then flows (``docs/reference/localize.md``)."""
