"""The metrics of each objective as functions of row numbers (`significance.Metric`), and what one row is worth by itself."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.evaluation import scoring
from tuner.evaluation.significance import Metric

Results = Sequence[dict[str, Any]]  # of one model, a row each: "reference", "answer", "nll" and "tokens", ...


@dataclass(frozen=True)
class Measure:
    """A metric. `rows` gives the worth of each row, larger is better, for finding the rows that changed most; None where a row has none."""

    name: str
    metric: Callable[[Results], Metric]
    rises: bool = True  # larger is better
    rows: Callable[[Results], np.ndarray] | None = None


def mean_of(worth: Callable[[dict[str, Any]], float]) -> dict[str, Callable]:
    """Return the mean over rows of a worth, as the arguments of a Measure."""

    def values(results: Results) -> np.ndarray:
        return np.array([worth(r) for r in results], float)

    def metric(results: Results) -> Metric:
        each = values(results)
        return lambda rows: float(each[rows].mean())

    return {"metric": metric, "rows": values}


def _loss(results: Results) -> Metric:
    """The mean over all tokens of the answers: independent of how rows are batched."""
    nll, tokens = np.array([r["nll"] for r in results]), np.array([r["tokens"] for r in results])
    return lambda rows: float(nll[rows].sum() / tokens[rows].sum())


def _perplexity(results: Results) -> Metric:
    loss = _loss(results)
    return lambda rows: float(np.exp(min(loss(rows), 700.0)))


def _chrf(results: Results) -> Metric:
    """chrF of the corpus, from the counts of each row, so that a sample costs a sum."""
    from sacrebleu.metrics import CHRF

    counter = CHRF()
    counts = np.array([counter._extract_corpus_statistics([r["answer"]], [[r["reference"]]])[0] for r in results])
    return lambda rows: float(counter._compute_f_score(counts[rows].sum(axis=0).tolist()))


def _chrf_of_rows(results: Results) -> np.ndarray:
    from sacrebleu.metrics import CHRF

    counter = CHRF()
    return np.array([counter.sentence_score(r["answer"], [r["reference"]]).score for r in results])


def _same(r: dict[str, Any]) -> float:
    return float(_plain(r["answer"]) == _plain(r["reference"]))


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _labels(which: str) -> Callable[[Results], Metric]:
    def metric(results: Results) -> Metric:
        names = sorted({n for r in results for n in (*r["reference"], *r["answer"])})
        if any(len(r["reference"]) != 1 or r["several"] for r in results):
            gold, guess = (np.array([[n in r[side] for n in names] for r in results]) for side in ("reference", "answer"))
            return lambda rows: scoring.label_sets(gold[rows], guess[rows])[which]
        gold, guess = (np.array([names.index(r[side][0]) for r in results]) for side in ("reference", "answer"))
        return lambda rows: scoring.labels(gold[rows], guess[rows])[which]

    return metric


def _numbers(which: str) -> Callable[[Results], Metric]:
    def metric(results: Results) -> Metric:
        gold, guess = (np.array([r[side] for r in results], float) for side in ("reference", "answer"))
        return lambda rows: scoring.numbers(gold[rows], guess[rows])[which]

    return metric


def _tags(which: str) -> Callable[[Results], Metric]:
    def metric(results: Results) -> Metric:
        return lambda rows: scoring.tagged([results[i]["reference"] for i in rows], [results[i]["answer"] for i in rows])[which]

    return metric


def _right_tags(r: dict[str, Any]) -> float:
    return float(np.mean([a == b for a, b in zip(r["reference"], r["answer"], strict=True)]))


LOSS = Measure("loss", _loss, rises=False, rows=lambda results: -np.array([r["nll"] / r["tokens"] for r in results]))
PERPLEXITY = Measure("perplexity", _perplexity, rises=False)
TEXTS = (
    Measure("chrf", _chrf, rows=_chrf_of_rows),
    Measure("rouge_l", **mean_of(lambda r: scoring.rouge_l(r["answer"], r["reference"]))),
    Measure("exact_match", **mean_of(_same)),
)
LIKELIER = Measure("accuracy", **mean_of(lambda r: float(r["margin"] > 0)))
OBJECTIVES: dict[str, tuple[Measure, ...]] = {  # the first decides which rows changed most
    "chat": (*TEXTS, LOSS, PERPLEXITY),
    "text": (LOSS, PERPLEXITY),
    "preference": (
        Measure("margin", metric=mean_of(lambda r: r["margin"])["metric"], rows=lambda results: np.array([r["margin"] for r in results])),
        LIKELIER,
    ),
    "reward": (LIKELIER,),
    "seq2seq": TEXTS,
    "classification": (
        Measure(
            "accuracy",
            _labels("accuracy"),
            rows=lambda results: np.array([float(set(r["reference"]) == set(r["answer"])) for r in results]),
        ),
        Measure("f1", _labels("f1")),
    ),
    "regression": (
        Measure("mae", _numbers("mae"), rises=False, rows=lambda results: -np.array([abs(r["reference"] - r["answer"]) for r in results])),
        Measure("pearson", _numbers("pearson")),
    ),
    "tokens": (
        Measure("f1", _tags("f1"), rows=mean_of(_right_tags)["rows"]),
        Measure("precision", _tags("precision")),
        Measure("recall", _tags("recall")),
    ),
    "qa": (
        Measure("f1", **mean_of(lambda r: max(scoring.overlap(r["answer"], g) for g in r["reference"] or [""]))),
        Measure(
            "exact_match", **mean_of(lambda r: float(any(scoring.normal(r["answer"]) == scoring.normal(g) for g in r["reference"] or [""])))
        ),
    ),
}
