"""ShadowLab keeps a shadow of a production network on a real Linux kernel and predicts its troubles.

Importing this package does nothing and imports nothing: the command line is in :mod:`shadowlab.cli`.
"""

__version__ = "0.1.0"
