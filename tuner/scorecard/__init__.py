"""Scorecards: a tuned model and another one on the same rows, with intervals, a conclusion in words and the rows that changed most. No torch.

In: a run or model, a dataset. Out: the document of `tunesmith evaluate`. The serving worker answers and scores; see `evaluation` for the metrics.
"""
