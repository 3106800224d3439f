"""Answers of what-if questions, sweeps and forecasts for people: terminal, plots, one HTML page.

In: answers.  Out: text, plots, pages.  Never: a figure that is not in the answer.
"""
