"""Our own kernel: find or build it, boot it, run the program inside.

In: a job as bytes, the name of the function to run.  Out: what the function wrote, and its exit code.
The guest is user-mode Linux on a virtual (or the real) clock; it needs no privilege and leaves nothing behind.
"""
