"""The continuous watch: a loop of cycles, each from the newest telemetry to a verdict, cures and notifications.

In: a watch file, telemetry that grows.  Out: a state folder, incidents, notifications.
Never: a decision in a file that acts: what is decided stands in ``decide/``, and is pure.
"""
