"""Near-duplicates: what was planted is found, and nothing that only looks alike."""

import random

import pytest

from tuner.data.quality.near_duplicates import Index, jaccard, shingles
from tuner.data.schema.fields import bare


def groups(texts, keys=None, beat=lambda done: None):
    with Index(len(texts)) as index:
        for i, text in enumerate(texts):
            index.add([bare(part) or part for part in ((text,) if isinstance(text, str) else text)], keys[i] if keys else "")
        return index.groups(beat)


def vocabulary(n, seed=1):
    draw = random.Random(seed)
    return ["".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(draw.randint(3, 9))) for _ in range(n)]


def passages(n, length=50, words=3000, seed=2):
    draw, known = random.Random(seed), vocabulary(words)
    return [[draw.choice(known) for _ in range(length)] for _ in range(n)]


@pytest.mark.parametrize("words", [3000, 60])
def test_one_word_changed_is_found_and_nothing_else(words):
    originals = passages(1500, words=words)
    copies = [[*p[:20], "entirely", *p[21:]] for p in originals[:700]]
    found = groups([" ".join(p) for p in originals + copies])
    assert found == [[i, 1500 + i] for i in range(700)]


def test_case_and_punctuation_do_not_count():
    originals = [" ".join(p) for p in passages(300, length=6)]
    assert groups(originals + [p.title().replace(" ", ", ") + "!" for p in originals]) == [[i, 300 + i] for i in range(300)]


@pytest.mark.parametrize(
    "pair",
    [
        ("Where is my order 17 that I made on Monday, please?", "Where is my order 18 that I made on Monday, please?"),
        ("What is 3 + 4 in the end?", "What is 3 - 4 in the end?"),
        (
            ("Is the earth round like a ball, as it is said everywhere?", "yes"),
            ("Is the earth round like a ball, as it is said everywhere?", "no"),
        ),
        ("The cat sat on the mat.", "The stock market fell again."),
        ("", ""),
    ],
)
def test_what_only_looks_alike_is_left(pair):
    found = groups([pair[0], pair[1], "something else altogether"])
    assert found == ([[0, 1]] if pair[0] == pair[1] else [])


def test_rows_that_must_agree_and_do_not_are_left():
    assert groups(["I love this lamp, it is so bright", "I love this lamp, it is so bright!"], ["good", "bad"]) == []
    assert groups(["I love this lamp, it is so bright", "I love this lamp, it is so bright!"], ["good", "good"]) == [[0, 1]]


def test_rows_from_one_template_are_no_duplicates_but_copies_of_them_are():
    row = "Please tell me how the delivery of the {} lamp works, what it costs in the end, and whether I can pay it by invoice."
    names = [name + other for name, other in zip(vocabulary(600, seed=5), vocabulary(600, seed=6), strict=True)]
    texts = [row.format(name) for name in names]
    assert groups(texts + [texts[i] + " Thanks!" for i in range(0, 600, 20)]) == [[i, 600 + i // 20] for i in range(0, 600, 20)]


def test_chains_are_cut_at_what_is_alike_the_first():
    words = passages(1, length=40)[0]
    chain = [" ".join([f"new{chr(97 + j)}word" for j in range(i)] + words[i:]) for i in range(20)]
    found = groups(chain)
    sets = [set(shingles([bare(t)])[0].tolist()) for t in chain]
    assert found and found[0][0] == 0
    for first, *others in found:
        assert all(len(sets[first] & sets[x]) / len(sets[first] | sets[x]) >= 0.8 for x in others)


def test_many_rows_that_are_all_the_same_are_one_group():
    assert groups(["the same row over and over"] * 5000) == [list(range(5000))]


def test_other_scripts_and_long_rows():
    chinese = "今天天气很好我们一起去公园散步然后在湖边吃午饭晚上回家看电影"
    long = " ".join(passages(1, length=20_000)[0])
    assert groups([chinese, chinese + "。", chinese.replace("公园", "书店") + "吧", long, long + " end", "x" + long[: len(long) // 2]]) in (
        [[0, 1], [3, 4]],
        [[0, 1, 2], [3, 4]],
    )


def test_shingles_stay_in_their_text():
    hashes, owners = shingles(["abcdef", "", "abcdef", "f"])
    assert owners.tolist() == [0] * 6 + [2] * 6 + [3] and hashes[:6].tolist() == hashes[6:12].tolist()
    assert jaccard(*(hashes[6 * i : 6 * i + 6] for i in range(2))) == 1


def test_it_can_be_ended():
    class Enough(Exception):
        pass

    def beat(done):
        raise Enough

    with pytest.raises(Enough):
        groups([" ".join(p) for p in passages(3000)], beat=beat)
