"""Evaluation: the metrics of each objective, the choice of the best checkpoint, and warnings of over-optimization. No torch.

In: references and predictions, or a run's folder. Out: numbers and warnings. May import `settings` and the packages below it."""
