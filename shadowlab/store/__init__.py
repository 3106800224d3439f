"""Remember: raw records and indicator series of a run, appended block by block, byte for byte reproducible.

In: rows of a record type (:mod:`~shadowlab.store.records`: one entry adds a type), series.  Out: files that can be read
while they are written and after any crash, and the rows of a window without reading the rest.
``records``, ``frame`` and ``recorder`` are imported inside the guest: standard library only.
"""
