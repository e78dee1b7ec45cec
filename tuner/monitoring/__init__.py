"""Monitoring: what is wrong with a run, found in its metrics while it trains. No torch.

In: the metrics and facts of a run (`History`, `Facts`). Out: findings, documents of the same form as all warnings of a run
(`tuner.runs.run_warnings`): a name, a step, a severity, a sentence and what to do. May import `evaluation` and the packages below it.
"""

from tuner.monitoring.findings import NAMES, Facts, look, merged
from tuner.monitoring.history import History

__all__ = ["NAMES", "Facts", "History", "look", "merged"]
