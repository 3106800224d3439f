"""Calibrate a map by telemetry: the pure core's pieces in their order, and runs of the shadow that refine them.

In: a network, attached records, perhaps a calibration of before.  Out: a calibration.
"""
