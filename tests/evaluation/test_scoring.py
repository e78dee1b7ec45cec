"""The metrics against values worked out by hand."""

import math
import random

import numpy as np
import pytest

from tuner.evaluation import scoring


def test_one_label():
    got = scoring.labels([0, 0, 1, 2], [0, 1, 1, 1])
    assert got["accuracy"] == 0.5
    assert got["f1"] == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)  # 0: P 1, R 1/2; 1: P 1/3, R 1; 2: never guessed
    assert scoring.labels([], []) == {}


def test_several_labels():
    got = scoring.label_sets([[1, 0, 1], [0, 0, 0]], [[1, 1, 1], [0, 0, 0]])
    assert got["accuracy"] == 0.5 and got["f1"] == pytest.approx(2 * 2 / (2 + 3))


def test_numbers():
    got = scoring.numbers([1, 2, 3], [2, 4, 6])
    assert got["mae"] == 2.0 and got["pearson"] == pytest.approx(1.0)
    assert scoring.numbers([1, 2], [5, 5])["pearson"] == 0.0


@pytest.mark.parametrize(
    "tags, found",
    [
        ("O B-PER I-PER O", {("PER", 1, 3)}),
        ("B-PER B-PER", {("PER", 0, 1), ("PER", 1, 2)}),
        ("I-LOC I-PER O I-PER", {("LOC", 0, 1), ("PER", 1, 2), ("PER", 3, 4)}),  # IOB1, and what models say
        ("B-PER I-LOC", {("PER", 0, 1), ("LOC", 1, 2)}),
        ("S-PER B-LOC I-LOC E-LOC I-LOC", {("PER", 0, 1), ("LOC", 1, 4), ("LOC", 4, 5)}),
        ("U-PER B-LOC L-LOC", {("PER", 0, 1), ("LOC", 1, 3)}),
        ("B-LOC L-LOC I-LOC", {("LOC", 0, 2), ("LOC", 2, 3)}),  # in no scheme, so seqeval is no judge of it
        ("O O", set()),
    ],
)
def test_entities(tags, found):
    assert scoring.entities(tags.split()) == found


def test_tags_are_judged_by_whole_entities_or_word_by_word():
    gold = [["B-PER", "I-PER", "O", "B-LOC"]]
    got = scoring.tagged(gold, [["B-PER", "O", "O", "B-LOC"]])
    assert got == {"f1": 0.5, "precision": 0.5, "recall": 0.5}
    plain = scoring.tagged([["NOUN", "VERB", "O"]], [["NOUN", "NOUN", "NOUN"]])
    assert plain == {"f1": pytest.approx(2 / 5), "precision": pytest.approx(1 / 3), "recall": 0.5}
    assert scoring.marks_spans(["O", "B-X", "I-X"]) and not scoring.marks_spans(["O", "NOUN"]) and not scoring.marks_spans(["O"])


def test_labels_and_numbers_are_those_of_scikit_learn():
    """On values of chance, with labels that are never guessed, guesses that are no reference, and rows without a label."""
    from sklearn import metrics

    chance = np.random.default_rng(5)
    for _ in range(40):
        rows, kinds = chance.integers(1, 40), chance.integers(2, 9)
        gold, guess = chance.integers(0, kinds, rows), chance.integers(0, kinds + 1, rows)
        wanted = {"accuracy": metrics.accuracy_score(gold, guess), "f1": metrics.f1_score(gold, guess, average="macro")}
        assert scoring.labels(gold, guess) == pytest.approx(wanted, abs=1e-12)
        gold, guess = (chance.random((rows, kinds)) < share for share in chance.choice([0, 0.1, 0.5], 2))
        micro = metrics.f1_score(gold, guess, average="micro", zero_division=1.0)
        assert scoring.label_sets(gold, guess) == pytest.approx({"accuracy": metrics.accuracy_score(gold, guess), "f1": micro}, abs=1e-12)
        gold, guess = chance.normal(size=(2, rows + 1))
        wanted = {"mae": metrics.mean_absolute_error(gold, guess), "pearson": np.corrcoef(gold, guess)[0, 1]}
        assert scoring.numbers(gold, guess) == pytest.approx(wanted, abs=1e-9)
    assert scoring.label_sets([[0], [1]], [[1], [1]])["f1"] == pytest.approx(2 / 3)  # where scikit-learn sees two classes


@pytest.mark.parametrize("marks", ["I", "BI", "BIES"])
def test_entities_of_any_tags_are_those_of_seqeval(marks):
    """Its default mode is conlleval's. Most of these tags follow no scheme: I- or E- after O, another type inside of an entity."""
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.metrics.sequence_labeling import get_entities

    chance = random.Random(5)
    tags = ["O", "O", *(f"{mark}-{kind}" for mark in marks for kind in ("PER", "LOC"))]
    for _ in range(200):
        gold, guess = ([chance.choices(tags, k=6) for _ in range(3)] for _ in range(2))
        assert [scoring.entities(row) for row in gold] == [{(kind, a, b + 1) for kind, a, b in get_entities(row)} for row in gold]
        if scoring.marks_spans(tag for row in gold for tag in row):
            judges = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
            wanted = {name: judge(gold, guess, zero_division=0) for name, judge in judges.items()}
            assert scoring.tagged(gold, guess) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("scheme, begin, end, single", [("IOB2", "B", "I", "B"), ("IOBES", "B", "E", "S"), ("BILOU", "B", "L", "U")])
def test_entities_of_a_scheme_are_those_of_seqeval_told_the_scheme(scheme, begin, end, single):
    from seqeval import scheme as schemes

    chance = random.Random(5)
    for _ in range(200):
        tags = []
        for _ in range(chance.randint(1, 8)):
            kind, length = chance.choice(["PER", "LOC"]), chance.randint(0, 4)
            marks = {0: ["O"], 1: [single]}.get(length) or [begin, *["I"] * (length - 2), end]
            tags += [mark if mark == "O" else f"{mark}-{kind}" for mark in marks]
        (wanted,) = schemes.Entities([tags], getattr(schemes, scheme)).entities
        assert scoring.entities(tags) == {(e.tag, e.start, e.end) for e in wanted}, tags


def test_answers():
    assert scoring.normal("The Tower, of London!") == ["tower", "of", "london"]
    assert scoring.overlap("the tall tower", "tower of London") == pytest.approx(2 * 1 / (2 + 3))
    got = scoring.answers(["a cat", "", "dog", ""], [["Cat", "dog"], [], [], ["bird"]])
    assert got == {"exact_match": 0.5, "f1": 0.5}


def test_rouge_l_and_perplexity():
    assert scoring.rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(75)  # Lin 2004, section 3: 3 of 4 words
    assert scoring.rouge_l("the gunman kill police", "police kill the gunman") == pytest.approx(50)
    assert scoring.rouge_l("", "a") == 0 and scoring.rouge_l("!", "?") == 100
    assert scoring.of_loss(math.log(7), ("perplexity",)) == pytest.approx({"perplexity": 7}) and scoring.of_loss(2.0, ("f1",)) == {}
    assert scoring.of_loss(None, ("perplexity",)) == {} and math.isfinite(scoring.of_loss(1e9, ("perplexity",))["perplexity"])


def test_rouge_l_is_that_of_rouge_score():
    """The package that papers use, on texts of chance; it knows letters of English alone, so these have no others."""
    from rouge_score.rouge_scorer import RougeScorer

    oracle, chance = RougeScorer(["rougeL"]), random.Random(7)
    words = ["police", "kill", "the", "gunman", "a", "2nd", "time", "it's", "said", "Ann"]
    for _ in range(100):
        a, b = (" ".join(chance.choices(words, k=chance.randint(1, 40))) for _ in range(2))
        assert scoring.rouge_l(a, b) == pytest.approx(100 * oracle.score(b, a)["rougeL"].fmeasure, abs=1e-9), (a, b)


def test_chrf():
    assert scoring.rewritten(["Er findet einen Hut."], ["Er findet einen Hut."])["chrf"] == pytest.approx(100)
    assert scoring.rewritten(["xyz"], ["abc"])["chrf"] == 0 and scoring.rewritten([], []) == {}
    # "ab" and "ac": of order 1 P = R = 1/2, of order 2 both 0, no longer ones: (1/2 + 0) / 2
    assert scoring.rewritten(["ab"], ["ac"])["chrf"] == pytest.approx(25)
