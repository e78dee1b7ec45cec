"""Habits that labellers are given here must show in the panel, and only those."""

from dataclasses import replace

import numpy as np
import pytest

from tuner.labels import agreement, judgments, quality
from tuner.labels.judgments import Judgment, Majority


def verdict(pair=0, who="ann", winner="first", left="first", when=0.0, **more):
    return Judgment(str(pair), who, winner, left, when=when, **more)


def judged(n=200, who="ann", prefer=None, seed=0, **more):
    """`n` pairs with sides and lengths drawn by chance; `prefer` names the winner, else it is drawn, too."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        left, winner = rng.choice(["first", "second"], 2)
        lengths = rng.integers(50, 200, 2)
        v = verdict(i, who, str(winner), str(left), 10.0 * i, first_length=int(lengths[0]), second_length=int(lengths[1]), **more)
        out.append(replace(v, winner=prefer(v, rng) if prefer else v.winner))
    return out


# --- verdicts


def test_only_verdicts_that_exist():
    for wrong in ({"winner": "a"}, {"left": "tie"}, {"strength": 4}, {"gold": "tie"}):
        with pytest.raises(ValueError, match="invalid judgment"):
            verdict(**wrong)


def test_scores():
    cases = [("first", None, 1), ("first", 3, 3), ("second", 2, -2), ("second", None, -1), ("tie", 2, 0), ("both_bad", None, 0)]
    assert all(verdict(winner=w, strength=s).score == score for w, s, score in cases)
    assert verdict(winner="skip").score is None


def test_the_latest_verdict_counts_and_repeats_do_not():
    said = [
        verdict(1, when=5, winner="second"),
        verdict(1, when=1),
        verdict(1, when=9, repeat=True),
        verdict(2, when=2),
        verdict(2, when=3, winner="skip"),
        verdict(1, "bob", "tie", when=4),
    ]
    assert [(v.pair, v.labeller, v.winner) for v in judgments.counted(said)] == [
        ("2", "ann", "skip"),
        ("1", "bob", "tie"),
        ("1", "ann", "second"),
    ]
    assert list(judgments.by_pair(said)) == ["1"] and list(judgments.by_labeller(said)) == ["ann", "bob"]
    assert np.array_equal(judgments.table(said), [[-1], [0]])
    assert np.array_equal(judgments.table([*said, verdict(3, "bob", when=6)], "winner"), [[1, np.nan], [2, 0]], equal_nan=True)
    assert judgments.table([]).shape == (0, 0)


@pytest.mark.parametrize(
    "winners, expected",
    [
        (["first"], Majority("first", 1.0, False)),
        (["first", "second", "first"], Majority("first", 2 / 3, False)),
        (["first", "second"], Majority("tie", 0.5, True)),
        (["first", "both_bad"], Majority("tie", 0.5, True)),
        (["first", "first", "second", "tie"], Majority("first", 0.5, True)),  # more than any other, not more than half
        (["skip", "second"], Majority("second", 1.0, False)),
        (["skip"], Majority("skip", 0.0, False)),
        ([], Majority("skip", 0.0, False)),
    ],
)
def test_majority(winners, expected):
    assert judgments.majority(verdict(who=str(i), winner=w) for i, w in enumerate(winners)) == expected
    assert quality.majority is judgments.majority


def test_nobody_votes_twice():
    assert quality.majority([verdict(when=1), verdict(when=2, repeat=True), verdict(who="bob", winner="second")]).disputed


# --- habits


def test_a_hand_that_goes_left_is_found_and_nothing_else():
    lefty = quality.report(judged(seed=1, prefer=lambda v, rng: v.left if rng.random() < 0.7 else v.winner))
    assert lefty.left.low > 0.7 and lefty.left.n == 200 and lefty.longer.low < 0.5 < lefty.longer.high
    said = lefty.sentences()
    assert said[1].endswith(" of 200: looks biased.") and said[2].endswith(": no sign of a bias.") and len(said) == 3
    right = quality.report(judged(prefer=lambda v, rng: "second" if v.left == "first" else "first"))
    assert right.left.value == 0 and "0% (0 to 2%) of 200: looks biased" in right.sentences()[1]


def test_a_love_of_length_is_found_and_nothing_else():
    long = quality.report(judged(prefer=lambda v, rng: "first" if v.first_length > v.second_length else "second"))
    assert long.longer.value == 1 and 150 < long.longer.n < 200  # without those that are nearly alike
    assert long.left.low < 0.5 < long.left.high and long.sentences()[2].endswith("prefers long answers.")
    short = quality.report(judged(prefer=lambda v, rng: "first" if v.first_length < v.second_length else "second"))
    assert short.sentences()[2].endswith("prefers short answers.")


def test_labellers_who_share_pairs_do_not_make_a_habit_of_their_lengths():
    one = judged(100, prefer=lambda v, rng: "first" if v.first_length > v.second_length else v.winner)
    many = [replace(v, labeller=f"labeller {i}") for i in range(5) for v in one]
    assert quality.report(many).longer == quality.report(one).longer and quality.report(many).left.n == 500


def test_which_is_longer():
    cases = [((110, 100), None), ((111, 100), "first"), ((100, 120), "second"), ((0, 0), None), ((0, 1), "second")]
    assert all(quality.longer(verdict(first_length=a, second_length=b)) == which for (a, b), which in cases)


def test_the_sentence_of_a_share():
    share = quality.share([True] * 74 + [False] * 30)
    assert (
        quality.sentence("Chooses the left one", share, ("-", "looks biased", "-"))
        == "Chooses the left one in 71% (62 to 79%) of 104: looks biased."
    )
    assert quality.sentence("Says so", quality.share([True] * 9 + [False] * 3)) == "Says so in 9 of 12: not enough data (12 of 30)."
    assert quality.sentence("Says so", quality.share([])) == "Says so: not enough data (0 of 30)."
    assert quality.share([True] * 30).enough and not quality.share([True] * 29).enough


def test_ties_and_skips_are_no_choice_of_a_side():
    got = quality.report([verdict(1, winner="tie"), verdict(2, winner="both_bad"), verdict(3, winner="skip"), verdict(4)])
    assert (got.left.n, got.verdicts, got.pairs, got.skipped) == (1, 4, 3, 1)


def test_hidden_repeats():
    said = [
        verdict(1, when=1),
        verdict(1, left="second", when=5, repeat=True),  # the same
        verdict(2, when=2),
        verdict(2, left="second", winner="second", when=6, repeat=True),  # the other one: it went by the side
        verdict(3, winner="skip", when=3),
        verdict(3, when=7, repeat=True),  # nothing to compare with
        verdict(1, "bob", when=8, repeat=True),  # never judged before by him
        verdict(4, when=9, winner="tie"),
        verdict(4, when=10, winner="skip", repeat=True),
    ]
    assert quality.repeated(reversed(said)) == [True, False]
    report = quality.report(said)
    assert (
        report.same.value == 0.5
        and report.left.n == 6
        and report.sentences()[-1] == "Judges hidden repeats the same way in 1 of 2: not enough data (2 of 30)."
    )


def test_known_answers():
    said = [
        verdict(1, gold="first"),
        verdict(2, gold="second"),
        verdict(3, gold="first", winner="tie"),
        verdict(4, gold="first", winner="skip"),
    ]
    gold = quality.report([*said, verdict(5), verdict(1, gold="first", repeat=True, when=1)]).gold
    assert gold.n == 3 and gold.value == pytest.approx(1 / 3)  # a tie does not find it; a skip does not try
    many = quality.report([verdict(i, gold="first", winner="first" if i % 10 else "second") for i in range(60)])
    assert many.sentences()[-1] == "Judges gold pairs correctly in 90% (80 to 95%) of 60."


def test_pace_is_of_one_person_at_work():
    ann = [verdict(i, when=t, seconds=s) for i, (t, s) in enumerate([(0, None), (10, 8), (30, 9), (5000, 100), (5020, 10)])]
    bob = [verdict(i, "bob", when=5 + 10 * i) for i in range(3)]  # at the same time as she
    assert quality.per_minute(ann) == pytest.approx(60 * 3 / 50)  # the long pause is none of it
    assert quality.per_minute([*ann, *bob]) == pytest.approx(60 * 5 / 70)
    assert quality.per_minute(ann[:1]) is None and quality.per_minute([verdict(i) for i in range(3)]) is None  # all stored at once
    assert quality.report(ann).sentences()[0] == "5 judgments on 5 pairs; 3.6 per minute; median 10 s."
    assert quality.report([verdict(winner="skip")]).sentences()[0] == "1 judgment on 0 pairs, 1 skipped."


# --- together


def test_disagreements_the_strongest_first():
    said = [
        verdict("mild", "ann", "first", strength=1), verdict("mild", "bob", "tie"),
        verdict("hard", "ann", "first", strength=3), verdict("hard", "bob", "second", strength=2),
        verdict("three", "ann", "first"), verdict("three", "bob", "second"), verdict("three", "cy", "first"),
        verdict("even", "ann", "first"), verdict("even", "bob", "second"),
        verdict("same", "ann", "first", strength=1), verdict("same", "bob", "first", strength=3),
        verdict("alone", "ann"), verdict("skipped", "ann"), verdict("skipped", "bob", "skip"),
    ]  # fmt: skip
    found = quality.disagreements(said)
    assert [(d.pair, d.apart) for d in found] == [("hard", 5), ("even", 2), ("three", 2), ("mild", 1)]
    assert found[2].votes == {"ann": "first", "bob": "second", "cy": "first"} and found[2].winner == "first" and found[1].winner == "tie"


def test_two_labellers_are_measured_by_kappa_and_three_by_ordinal_alpha():
    ann = judged(120)
    bob = [replace(v, labeller="bob", winner=v.winner if i % 4 else "tie") for i, v in enumerate(ann)]
    cy = [replace(v, labeller="cy", strength=2) for v in ann[:60]]
    alone, two, three = (quality.panel(v) for v in (ann, ann + bob, ann + bob + cy))
    assert alone.beyond is None and "no second labeller to compare with" in alone.sentences()[-1] and not alone.disagreements
    assert two.measure == "kappa" and two.beyond == agreement.kappa(*judgments.table(ann + bob, "winner")) and two.raw.value == 0.75
    assert three.measure == "alpha" and three.beyond == agreement.alpha(judgments.table(ann + bob + cy)) and three.raw.n == 120
    assert two.sentences()[-3:] == [
        f"Two labellers of a pair agree in 75% ({100 * two.raw.low:.0f} to {100 * two.raw.high:.0f}%) of 120.",
        f"Agreement beyond chance, Cohen's kappa: {two.beyond.as_text()}: {agreement.grade(two.beyond.value)}.",
        "30 pairs to settle.",
    ]
    assert [r.labeller for r in three.labellers] == ["ann", "bob", "cy"] and three.overall.verdicts == 300


def test_a_panel_of_little_says_so():
    few = quality.panel(judged(12) + judged(12, "bob", seed=1))
    assert "Two labellers of a pair agree: not enough data (12 of 30)." in few.sentences()
    assert "Agreement beyond chance, Cohen's kappa: not enough data (12 of 30)." in few.sentences()
    assert quality.panel([]).sentences()[0] == "0 judgments on 0 pairs." and quality.panel([]).raw.n == 0
