"""How good a model is: metrics of each objective, which checkpoint is the best, signs of over-optimization. Pure; no torch.

In: what is right and what was predicted, or a run's folder. Out: numbers and warnings. May import `settings` and what stands below it."""
