"""A guest that stays up, and the line to it.

In: an entry, a folder.  Out: a process that keeps the guest and a Unix socket ``door`` in the folder; whoever connects
speaks with the function inside in JSON lines.  Never: a guest without its keeper: when either ends, both do.
"""
