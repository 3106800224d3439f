"""Notice: indicators leave their baseline.

In: indicator series, a baseline window.  Out: anomalies with path, time, score.
Never: a cause.
"""
