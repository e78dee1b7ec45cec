"""What the planner predicts for a case of the memory benchmarks: what traces and cards are held against."""

from bench.trace.step import Case, settings_of
from tuner.planning import memory
from tuner.planning.memory import parameter_counts


def predicted(case: Case) -> memory.Estimate:
    """Return the memory estimate of a case."""
    settings = settings_of(case).replace(max_length=case.length, micro_batch=case.rows)
    trained = parameter_counts.trainable(case.facts, settings, settings.objective, case.labels)
    return memory.training(case.facts, settings, trainable=trained, device=case.device)


def allocated(estimate: memory.Estimate) -> int:
    """Return what tensors take: the peak without fragmentation and process overhead."""
    return estimate.peak - estimate.terms["fragmentation"] - estimate.terms["context"]
