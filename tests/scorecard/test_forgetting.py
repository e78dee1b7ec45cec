"""What a run has forgotten: general questions whose answers the run and its base model find more or less likely."""

import pytest

from tests.ui.test_evaluation_view import CARD, words
from tuner import paths
from tuner.scorecard import conclusions, contenders, forgetting
from ui.run_views import scorecard


def found(n: int, before: int, lost: int, gained: int = 0) -> dict:
    """`before` of `n` answered rightly by the base model, `lost` of them no longer."""
    questions = [{"about": "sums" if i % 2 else "time", "question": f"Q{i}?", "answers": list("abcd")} for i in range(n)]
    its = [0] * before + [1] * (n - before)
    mine = [2] * lost + [0] * (before - lost + gained) + [3] * (n - before - gained)
    return forgetting.counted(questions, mine, its)


@pytest.mark.parametrize("name, base", [("general", "org/model"), ("starter", str(paths.STARTER))])
def test_each_question_has_four_answers_that_differ(name, base):
    questions = forgetting.questions_for(base)
    assert len(questions) >= 48 and len({q["question"] for q in questions}) == len(questions)
    for q in questions:
        assert len(set(q["answers"])) == forgetting.OPTIONS and all(
            a.strip() and a[0].isupper() or not a[0].isalpha() for a in q["answers"]
        ), q
    assert len({q["about"] for q in questions}) >= 6


def test_what_is_lost_is_counted_and_said():
    much, none, guess = found(74, 60, 25, 2), found(74, 60, 2, 2), found(74, 24, 5)
    assert (much["right"], much["lost"], much["gained"], len(much["forgotten"])) == (37, 25, 2, 25)
    assert much["difference"]["real"] and much["difference"]["value"] == pytest.approx(-23 / 74) and sum(much["about"].values()) == 25
    assert much["forgotten"][0] == {"question": "Q0?", "reference": "a", "answer": "c"}
    assert forgetting.says(much, "x/base") == "It has forgotten something: of 74 general questions it answers 37 rightly, x/base 60."
    assert not none["difference"]["real"] and forgetting.says(none, "b").startswith("Nothing forgotten that general questions could show")
    assert guess["by_chance"] and "which guessing would, too" in forgetting.says(guess, "b")


def test_the_tab_says_it_and_lists_what_was_lost():
    said = words(scorecard.drawn(CARD | {"general": found(74, 60, 25, 2)}))
    assert "Forgotten Of 74 general questions it answers 37 rightly, the base model 60." in said
    assert (
        "25 general questions are answered wrongly now, 2 rightly that were wrong before" in said and "Q0? Right: a Now likelier: c" in said
    )
    assert "Nothing forgotten" in words(scorecard.drawn(CARD | {"general": found(74, 60, 0)}))
    assert "answered wrongly now" not in words(scorecard.drawn(CARD | {"general": found(74, 24, 5)})), "by chance, which shows nothing"


class Likelihoods:
    """An asking that finds the answer with a number likeliest, of each kind of model another."""

    def __init__(self, likeliest: dict[str, int], refused: bool = False):
        self.likeliest, self.refused, self.asked = likeliest, refused, []

    def likelihoods(self, who, values, kind):
        self.asked.append((who, values, kind))
        out = [{"nll": 1.0 if i % 4 == self.likeliest[who.name] else 2.0, "tokens": 3} for i in range(len(values))]
        return [*out[:-1], {"left_out": "its template takes no user"}] if self.refused else out


def test_texts_and_chats_are_asked_as_they_are_trained():
    questions = forgetting.questions_for("org/model")[:3]
    for objective, kind, first in (("chat", "chat", "messages"), ("text", "text", "text"), ("preference", "chat", "messages")):
        who, base = (contenders.Contender(name, objective, max_length=16, examples=({},)) for name in ("run", "run/base"))
        asking = Likelihoods({"run": 1, "run/base": 0})
        document = forgetting.asked(asking, who, base, questions)
        assert (document["right"], document["baseline_right"]) == (0, 3)
        (asked, values, of), _ = asking.asked
        assert of == kind and first in values[0] and len(values) == 12 and asked.max_length == contenders.LENGTH and asked.examples == ()
    assert forgetting.asked(Likelihoods({"run": 0, "run/base": 0}, refused=True), who, base, questions) is None
    assert not forgetting.applies(contenders.Contender("a", "classification"), base) and not forgetting.applies(who, None)


def test_a_run_that_was_taught_otherwise_has_forgotten(house):
    """The real models: the starter knows its world, and a run on sums alone with a high rate knows less of it."""
    from tuner.scorecard import evaluation

    job = evaluation.start(house.ws, house.full, rows=2, prompted=False)
    document = evaluation.follow(house.ws, job, lambda now: None)
    general = document["general"]
    assert general["questions"] == 48 and general["baseline_right"] >= 46, "the questions are of its world"
    assert general["right"] < general["baseline_right"] and general["lost"] == len(general["forgotten"]) > 0
    assert forgetting.says(general, document["against"]) in document["says"] == conclusions.says(document)
    assert (
        evaluation.follow(house.ws, evaluation.start(house.ws, house.full, rows=2, prompted=False, general=False), lambda now: None)[
            "general"
        ]
        is None
    )
