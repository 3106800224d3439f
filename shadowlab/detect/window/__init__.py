"""Detectors that look at a window of samples, or at several indicators at once.

In: values or vectors, one sample after the other.  Out: readings.  Never: a window longer than the detector says.
They need NumPy, or scikit-learn (extra ``ml``), which is imported when the first model is fitted.
"""
