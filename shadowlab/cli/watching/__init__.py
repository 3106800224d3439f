"""The commands of a continuous watch, one file each.

In: the command line.  Out: the command's work.
"""
