"""The metrics of scorecards are those of the libraries, and which rows changed most is found."""

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from tuner.errors import DataError
from tuner.evaluation import scoring
from tuner.scorecard import conclusions, evaluation, prompting
from tuner.scorecard.contenders import Contender
from tuner.scorecard.measures import OBJECTIVES

WORDS = "the cat sat on a red mat while rain fell over quiet hills".split()


def texts(n: int, seed: int, wrong: float = 0.4) -> list[dict]:
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        gold = list(chance.choice(WORDS, 8))
        guess = [str(chance.choice(WORDS)) if chance.random() < wrong else w for w in gold]
        rows.append({"question": "q", "reference": " ".join(gold), "answer": " ".join(guess), "nll": float(chance.gamma(3)), "tokens": 9})
    return rows


def measured(objective: str, results: list[dict], rows=None) -> dict[str, float]:
    rows = np.arange(len(results)) if rows is None else np.array(rows)
    return {m.name: m.metric(results)(rows) for m in OBJECTIVES[objective]}


def test_texts():
    results = texts(30, 1)
    golds, guesses = [r["reference"] for r in results], [r["answer"] for r in results]
    found = measured("chat", results)
    assert found["chrf"] == pytest.approx(CHRF().corpus_score(guesses, [golds]).score)
    assert found["rouge_l"] == pytest.approx(scoring.rewritten(guesses, golds)["rouge_l"])
    assert found["loss"] == pytest.approx(sum(r["nll"] for r in results) / 270) and found["perplexity"] == pytest.approx(
        np.exp(found["loss"])
    )
    some = [3, 3, 7, 20]
    part = measured("chat", results, some)
    assert part["chrf"] == pytest.approx(CHRF().corpus_score([guesses[i] for i in some], [[golds[i] for i in some]]).score)
    assert measured("chat", [texts(1, 1)[0] | {"answer": " a\n b", "reference": "a b"}])["exact_match"] == 1


@pytest.mark.parametrize("several", [False, True])
def test_labels(several):
    chance = np.random.default_rng(4)
    names = ["a", "b", "c"]

    def said() -> list[str]:
        return [n for n in names if chance.random() < 0.4] if several else [str(chance.choice(names))]

    results = [{"reference": said(), "answer": said(), "several": several} for _ in range(50)]
    found = measured("classification", results)
    if several:
        gold, guess = (np.array([[n in r[s] for n in names] for r in results]) for s in ("reference", "answer"))
        assert found == pytest.approx(scoring.label_sets(gold, guess))
    else:
        gold, guess = ([names.index(r[s][0]) for r in results] for s in ("reference", "answer"))
        assert found == pytest.approx(scoring.labels(gold, guess))


def test_numbers_tags_spans_and_margins():
    numbers = [{"reference": float(i), "answer": i + (-1) ** i * 0.5} for i in range(10)]
    assert measured("regression", numbers) == pytest.approx(scoring.numbers(range(10), [n["answer"] for n in numbers]))
    tags = [
        {"reference": ["B-PER", "I-PER", "O"], "answer": ["B-PER", "I-PER", "O"]},
        {"reference": ["O", "B-LOC"], "answer": ["B-LOC", "O"]},
    ]
    assert measured("tokens", tags) == pytest.approx(scoring.tagged([t["reference"] for t in tags], [t["answer"] for t in tags]))
    answers = [
        {"reference": ["the red cat", "a cat"], "answer": "cat"},
        {"reference": [], "answer": ""},
        {"reference": ["dog"], "answer": ""},
    ]
    assert measured("qa", answers) == pytest.approx(scoring.answers([a["answer"] for a in answers], [a["reference"] for a in answers]))
    assert measured("preference", [{"margin": 2.0}, {"margin": -1.0}, {"margin": 0.0}]) == {
        "margin": pytest.approx(1 / 3),
        "accuracy": pytest.approx(1 / 3),
    }


def card(mine: list, its: list | None) -> dict:
    rows = [{"row": 100 + i, "value": {}} for i in range(len(mine))]
    return evaluation.scorecard(Contender("mine", "chat"), Contender("its", "chat") if its else None, rows, mine, *([its] if its else []))


def test_a_scorecard_says_what_is_really_better_and_which_rows_changed():
    worse = texts(80, 5, wrong=0.9)
    better = [w | {"answer": w["reference"] if i % 4 else "rain", "nll": w["nll"] / 3} for i, w in enumerate(worse)]
    document = card(better, worse)
    assert document["verdict"] == "better" and document["rows"] == 80 and document["difference"]["chrf"]["better"]
    assert document["difference"]["loss"]["better"] and document["difference"]["loss"]["high"] < 0
    assert document["says"][0].startswith("Better than its on 80 rows: chrF")
    changes = [c["change"] for c in document["changed"]]
    assert len(changes) == 20 and changes[:10] == sorted(changes[:10], reverse=True) and changes[0] > 0 > changes[-1]
    first = document["changed"][0]
    assert first["row"] >= 100 and first["answer"] == first["reference"] != first["baseline"] and first["by"] == "chrf"
    assert card(worse, better)["verdict"] == "worse"
    assert card(worse, worse)["verdict"] == "same" and card(worse, worse)["changed"] == []
    alone = card(worse, None)
    assert alone["verdict"] is alone["baseline"] is alone["difference"] is None and alone["metrics"]["chrf"]["low"] > 0


def test_better_in_one_and_worse_in_another_is_neither():
    one = texts(80, 6)
    other = [r | {"answer": r["reference"], "nll": r["nll"] * 3} for r in one]
    document = card(one, other)
    assert document["verdict"] == "same" and len(document["says"]) == 3 and "depends" in document["says"][2]


def test_rows_that_one_model_can_not_take_are_left_out_for_both():
    one, other = texts(40, 7), texts(40, 8)
    gone = {"left_out": "too long"}
    document = card([gone, *one[1:]], [*other[:5], gone, *other[6:]])
    assert document["rows"] == 38 and document["left_out"] == 2 and document["reasons"] == {"too long": 2}
    assert "2 could not be evaluated (too long)" in conclusions.table(document | {"which": "all", "available": 40, "data": "x@1"})
    with pytest.raises(DataError, match="None of these rows can be evaluated with this model: too long"):
        card([gone] * 3, other[:3])


def test_few_rows_are_said():
    perfect = [r | {"answer": r["reference"], "nll": 0.1} for r in texts(9, 2)]
    few = card(perfect, texts(9, 2, wrong=1.0))
    assert few["verdict"] == "same" and not any(d["real"] or d["better"] for d in few["difference"].values()), "chance alone does that"
    assert "can show no difference" in few["says"][-1]
    assert "can show no difference" in conclusions.table(few | {"which": "all", "available": 9, "data": "x@1"})
    more = card(perfect + perfect[:3], texts(12, 2, wrong=1.0))
    assert more["verdict"] == "better" and "few rows" in more["says"][-1]


def test_examples_stand_after_the_system_turns_and_count_nothing():
    system, ask = {"role": "system", "content": "s"}, {"role": "user", "content": "q"}
    shown = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
    assert prompting.within([system, ask], ()) == [system, ask]
    assert prompting.within([system, ask], shown) == [system, *shown, ask]
    assert prompting.within([ask], shown, weight=True) == [shown[0], shown[1] | {"weight": 0}, ask]


def test_the_prompt_that_does_as_well_is_said():
    better, same, worse = ({"loss": {"real": r, "better": b}} for r, b in ((True, True), (False, False), (True, False)))
    for difference, enough in ((better, False), (same, True), (worse, True)):
        prompted = {"examples": 5, "difference": difference}
        assert conclusions.does_as_well(prompted) is enough
        said = conclusions.prompt_alone(prompted)
        assert ("may not have been needed" in said) is (difference is same) and ("does better" in said) is (difference is worse)
