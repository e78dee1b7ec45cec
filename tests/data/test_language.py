"""The languages of a dataset: for the warning before the start, and for the model that is recommended."""

import time

import pytest

from tests.conftest import chat_rows, write_rows
from tuner.data.quality import language
from tuner.data.store import sample_data, store

TEXTS = {
    "en": "Where is my order? I have been waiting for three weeks and nobody has answered me yet.",
    "de": "Wo ist meine Bestellung geblieben? Ich warte schon seit drei Wochen darauf, und niemand antwortet mir.",
    "fr": "Où est ma commande ? Je l'attends depuis trois semaines et personne ne m'a encore répondu.",
    "zh": "我的订单在哪里？我已经等了三个星期了，没有人回复我。请尽快告诉我情况如何，谢谢你们的帮助，我真的非常着急需要它。",
    "ru": "Добрый день, где моя посылка? Я жду её уже три недели, и спасибо за быструю доставку я не скажу.",
    "ja": "注文した品物はどこですか。もう三週間も待っているのに、まだだれも返事をくれません。",
    "ko": "제 주문은 어디에 있나요? 삼 주 동안 기다렸는데 아직 아무도 답하지 않았습니다.",
    "ar": "أين طلبي؟ أنتظر منذ ثلاثة أسابيع ولم يرد عليّ أحد حتى الآن، أرجو المساعدة.",
    "hi": "मेरा ऑर्डर कहाँ है? मैं तीन सप्ताह से इंतज़ार कर रहा हूँ और किसी ने अब तक जवाब नहीं दिया।",
    "el": "Πού είναι η παραγγελία μου; Περιμένω εδώ και τρεις εβδομάδες και κανείς δεν απάντησε.",
}
NONE = {  # in no language, or too little to tell
    "code": "```python\nfor i in range(10):\n    print(x[i] + 1)\n```",
    "numbers": "12.50 99 3.1415 2024-05-06 100000 42 17:30",
    "a label": "positive",
    "identifiers": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "a link": "https://example.org/der/die/das/und/nicht/wir/sind/hier",
    "a molecule": "CC(=O)OC1=CC=CC=C1C(=O)O",
    "emoji": "😀😀😀 👍",
    "nothing": "",
}


@pytest.mark.parametrize("code", TEXTS)
def test_languages_are_told(code):
    assert language.of_text(TEXTS[code]) == code and code in language.NAMES


@pytest.mark.parametrize("what", NONE)
def test_what_is_no_language_says_nothing(what):
    assert language.of_text(NONE[what]) is None


def test_too_little_says_nothing():
    assert language.of_text("ok") is None and language.of_text("") is None


def test_a_word_in_a_script_of_its_own_tells_the_script():
    assert language.of_text("да") == "Cyrl" and language.of_text("ねこ") == "ja"


def test_short_rows_are_read_together_and_labels_are_not():
    assert language.of_texts(["Tolles Produkt, danke", "Das war nichts", "Nie wieder hier", "Gefällt mir gut so"] * 5).main == "de"
    for texts in (["very positive", "negative", "neutral"] * 20, ["Maria Schmidt", "Pierre Dupont", "John Miller"] * 20):
        assert language.of_texts(texts).shares == {}


def test_rows_in_a_script_are_in_the_language_of_the_others_in_it():
    assert language.of_texts([TEXTS["ru"], "да", "нет", TEXTS["en"]]).shares == {"ru": 0.75, "en": 0.25}
    assert language.of_texts(["да", "нет"]).shares == {"Cyrl": 1.0} and language.of_texts(["да", "нет"]).main is None


def test_mixed_rows_are_told_apart():
    found = language.of_texts([TEXTS["en"], TEXTS["de"], "Where is my order?", "Wo ist meine Bestellung?", "17"] * 10)
    assert found.shares == {"en": 0.4, "de": 0.4} and found.main is None


# --- datasets -------------------------------------------------------------------------------------------------------------


def chats(answers, system=None, ask="?"):
    head = [{"role": "system", "content": system}] if system else []
    return [{"messages": [*head, {"role": "user", "content": ask}, {"role": "assistant", "content": a}]} for a in answers]


def told(ws, tmp_path, rows, **options) -> dict[str, float]:
    return language.of_rows(store.add(ws, write_rows(tmp_path / "rows.jsonl", rows), held_out=0.1, **options)).shares


def test_a_system_prompt_and_long_questions_in_english_do_not_hide_german_answers(ws, tmp_path):
    """What is trained are the answers."""
    rows = chats([f"{TEXTS['de']} ({i})" for i in range(20)], system=TEXTS["en"] * 5, ask=TEXTS["en"] * 2)
    assert told(ws, tmp_path, rows) == {"de": 1.0}


def test_short_answers_count_with_their_questions(ws, tmp_path):
    rows = chats([f"Ja, {i}." for i in range(20)], ask="Wie viele Kinder wohnen in diesem Haus, und wie alt sind sie?")
    assert told(ws, tmp_path, rows) == {"de": 1.0}


def test_labels_in_english_do_not_hide_german_texts(ws, tmp_path):
    rows = [{"text": f"{TEXTS['de']} ({i})", "label": "delivery" if i % 2 else "billing"} for i in range(20)]
    assert told(ws, tmp_path, rows) == {"de": 1.0}


def test_a_large_dataset_is_looked_at_in_all_its_parts(ws, tmp_path):
    """German rows at its end, after a thousand English ones."""
    found = told(ws, tmp_path, [{"text": f"{TEXTS['en' if i < 1000 else 'de']} ({i})"} for i in range(2000)])
    assert 0.35 < found["de"] < 0.65 and set(found) == {"en", "de"}


@pytest.mark.parametrize("name", ["helpdesk", "persona", "tickets", "preferences"])
def test_the_samples_are_english(ws, name):
    assert set(language.of_rows(sample_data.add(ws, name)).shares) == {"en"}


def test_of_translations_the_target_counts(ws):
    assert language.of_dataset(sample_data.add(ws, "translation")) == "de"


def test_sums_are_no_other_language(ws, tmp_path):
    assert set(told(ws, tmp_path, chat_rows())) <= {"en"}


def test_the_samples_are_english_and_the_page_does_not_wait(ws):
    ds = sample_data.add(ws, "helpdesk")
    end = time.monotonic() + 60
    while (found := language.soon(ds)) is None and time.monotonic() < end:
        time.sleep(0.05)
    assert found == language.of_dataset(ds) == "en"
    assert language.told(ds)
