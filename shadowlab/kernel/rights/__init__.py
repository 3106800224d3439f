"""What a process gives up: capabilities and users, files by Landlock, mounts of its own.

In: what is to be kept.  Out: the calling process with no more than that.  Never: a right that was not there before.
Imports little: a guest's boot waits for these modules.
"""
