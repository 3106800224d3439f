"""What a machine can do and allows, for the doctor: tried or read, never changed.

Depends on the rest of the kernel room; nothing of that depends on it.
"""
