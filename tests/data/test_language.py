"""The language of a dataset, for the model that is recommended."""

import time

import pytest

from tuner.data.quality import language
from tuner.data.store import sample_data

TEXTS = {
    "en": "Where is my order? I have been waiting for three weeks and nobody has answered me yet.",
    "de": "Wo ist meine Bestellung geblieben? Ich warte schon seit drei Wochen darauf, und niemand antwortet mir.",
    "fr": "Où est ma commande ? Je l'attends depuis trois semaines et personne ne m'a encore répondu.",
    "zh": "我的订单在哪里？我已经等了三个星期了，没有人回复我。请尽快告诉我情况如何，谢谢你们的帮助，我真的非常着急需要它。",
}


@pytest.mark.parametrize("code", TEXTS)
def test_languages_are_told(code):
    assert language.of_text(TEXTS[code]) == code and code in language.NAMES


def test_too_little_says_nothing():
    assert language.of_text("ok") is None and language.of_text("") is None


def test_the_samples_are_english_and_the_page_does_not_wait(ws):
    ds = sample_data.add(ws, "helpdesk")
    end = time.monotonic() + 60
    while (found := language.soon(ds)) is None and time.monotonic() < end:
        time.sleep(0.05)
    assert found == language.of_dataset(ds) == "en"
