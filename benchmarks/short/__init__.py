"""Connections that live for one short transfer: what is driven, and by whom it is run."""
