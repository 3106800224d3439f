"""Determinism, tried: small runs of every shape of traffic and network, each twice under circumstances that differ."""
