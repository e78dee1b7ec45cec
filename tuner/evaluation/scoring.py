"""The metrics of each objective, from references and predictions. No torch; numpy, and sacrebleu for chrF.

All are from 0 to 1 and larger is better, except `mae` (in the unit of the data, smaller is better), `pearson` (-1 to 1), `chrf` and
`rouge_l` (0 to 100, as in their papers) and `perplexity` (from 1, smaller is better).

Labels, numbers and tags are scored by our own lines and held to scikit-learn and seqeval by tests, on values of chance. Measured, for 10,000 rows:

- Equal to the last bit for labels, label sets and absolute errors, and 2 to 36 times as fast: 0.7 and 5.6 ms for five labels, 0.5 and 19 ms
  for sets of ten. scikit-learn and scipy, which nothing else here needs, are 164 MB to install; in a bare Python their import takes 2 s and
  170 MB of memory. And where a dataset has one label that is there or not, scikit-learn reads the column as two classes.
- Equal for the entities of IOB1, IOB2 and BIOES however malformed, and 15 times as fast: 52 and 756 ms. seqeval (last release in 2020, needs
  scikit-learn) cuts BILOU wrongly unless it is told the scheme; told one, it drops an I- that follows nothing, which models often say.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rapidfuzz.distance import LCSseq

OUTSIDE = "O"  # the tag of a word outside of every entity
MARKS = "BILUESM"  # of BIO, BIOES and BILOU tags: begin, inside, last, unit, end, single, middle


# --- labels and numbers


def labels(gold: Sequence[int], guess: Sequence[int]) -> dict[str, float]:
    """Score one label per text. `f1` is the macro average over all labels that occur in references or predictions."""
    gold, guess = np.asarray(gold), np.asarray(guess)
    if not len(gold):
        return {}
    each = [_f1((gold == c) & (guess == c), gold == c, guess == c) for c in np.union1d(gold, guess)]
    return {"accuracy": float((gold == guess).mean()), "f1": float(np.mean(each))}


def label_sets(gold: Any, guess: Any) -> dict[str, float]:
    """Score several labels per text, as boolean [rows, labels]. `accuracy`: all labels of a row are right; `f1`: micro average."""
    gold, guess = np.asarray(gold, bool), np.asarray(guess, bool)
    if not len(gold):
        return {}
    return {"accuracy": float((gold == guess).all(axis=1).mean()), "f1": _f1(gold & guess, gold, guess)}


def _f1(both: np.ndarray, gold: np.ndarray, guess: np.ndarray) -> float:
    total = int(gold.sum()) + int(guess.sum())
    return 2 * int(both.sum()) / total if total else 1.0  # nothing expected and nothing predicted


def numbers(gold: Sequence[float], guess: Sequence[float]) -> dict[str, float]:
    """Score numbers. `mae`: mean absolute error; `pearson`: correlation, 0 where one side is constant."""
    gold, guess = np.asarray(gold, float), np.asarray(guess, float)
    if not len(gold):
        return {}
    a, b = gold - gold.mean(), guess - guess.mean()
    length = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return {"mae": float(np.abs(gold - guess).mean()), "pearson": float((a * b).sum() / length) if length > 0 else 0.0}


# --- tags


def marks_spans(names: Iterable[str]) -> bool:
    """Return whether tags mark spans (B-PER, I-PER, O ...) rather than one class per word (NOUN, VERB ...)."""
    inner = [n for n in names if n != OUTSIDE]
    return bool(inner) and all(len(n) > 2 and n[0] in MARKS and n[1] == "-" for n in inner) and any(n[0] in "BI" for n in inner)


def entities(tags: Sequence[str], spans: bool = True) -> set[tuple[str, int, int]]:
    """Return {(type, first word, word after the last)} of the tagged entities.

    Reads IOB1, IOB2, BIOES and BILOU as conlleval does: an I- that follows no entity of its type starts a new one. Without `spans`, each
    word with a tag other than O is an entity of its own.
    """
    if not spans:
        return {(tag, i, i + 1) for i, tag in enumerate(tags) if tag != OUTSIDE}
    found, kind, begin = set(), None, 0
    for i, tag in enumerate([*tags, OUTSIDE]):
        mark, _, name = tag.partition("-")
        name = name if mark != OUTSIDE else None
        if kind is not None and (name != kind or mark in "BUS"):
            found.add((kind, begin, i))
            kind = None
        if name and kind is None:
            kind, begin = name, i
        if kind is not None and mark in "LEUS":
            found.add((kind, begin, i + 1))
            kind = None
    return found


def tagged(gold: Sequence[Sequence[str]], guess: Sequence[Sequence[str]]) -> dict[str, float]:
    """Score entities that match exactly in span and type, over all rows; plain tags word by word."""
    spans = marks_spans({tag for row in gold for tag in row})
    right = wanted = predicted = 0
    for a, b in zip(gold, guess, strict=True):
        a, b = entities(a, spans), entities(b, spans)
        right, wanted, predicted = right + len(a & b), wanted + len(a), predicted + len(b)
    precision, recall = right / predicted if predicted else 0.0, right / wanted if wanted else 0.0
    return {"f1": 2 * right / (wanted + predicted) if wanted + predicted else 1.0, "precision": precision, "recall": recall}


# --- answers found in a text


def normal(text: str) -> list[str]:
    """Return the words of an answer, normalized as in SQuAD's evaluation script: lower case, no punctuation, no articles."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def overlap(guess: str, gold: str) -> float:
    """Return the F1 of the words that two answers share; an empty answer only matches another empty one."""
    a, b = normal(guess), normal(gold)
    if not a or not b:
        return float(a == b)
    shared = sum((Counter(a) & Counter(b)).values())
    return 2 * shared / (len(a) + len(b))


def answers(guesses: Sequence[str], golds: Sequence[Sequence[str]]) -> dict[str, float]:
    """Score each answer against the best of its references; without a reference, the right answer is ""."""
    if not len(guesses):
        return {}
    golds = [list(g) or [""] for g in golds]
    exact = [max(normal(guess) == normal(g) for g in gold) for guess, gold in zip(guesses, golds, strict=True)]
    shared = [max(overlap(guess, g) for g in gold) for guess, gold in zip(guesses, golds, strict=True)]
    return {"exact_match": float(np.mean(exact)), "f1": float(np.mean(shared))}


# --- texts


def of_loss(loss: float | None, names: Sequence[str]) -> dict[str, float]:
    """Return {"perplexity": e to the loss} where it is among `names` (Jelinek et al. 1977), otherwise {}."""
    return {"perplexity": math.exp(min(loss, 700.0))} if "perplexity" in names and loss is not None else {}


def rouge_l(guess: str, gold: str) -> float:
    """Return ROUGE-L: F1 of the longest common subsequence of words, letters and digits only (Lin 2004, https://aclanthology.org/W04-1013)."""
    a, b = (re.findall(r"\w+", text.lower()) for text in (guess, gold))
    return 200 * LCSseq.similarity(a, b) / (len(a) + len(b)) if a and b else 100.0 * (a == b)


def rewritten(guesses: Sequence[str], golds: Sequence[str]) -> dict[str, float]:
    """Return chrF, the character n-grams shared with the reference (Popović 2015, doi:10.18653/v1/W15-3049), and ROUGE-L."""
    if not len(guesses):
        return {}
    from sacrebleu.metrics import CHRF

    rouge = np.mean([rouge_l(*pair) for pair in zip(guesses, golds, strict=True)])
    return {"chrf": float(CHRF().corpus_score(list(guesses), [list(golds)]).score), "rouge_l": float(rouge)}
