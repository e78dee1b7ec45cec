"""Data in a language that the model does not know: a warning before the start that names a model that knows it, and never one without cause."""

import json
import shutil
from dataclasses import replace

import pytest

from tests.conftest import chat_rows, write_rows
from tests.data.test_language import TEXTS, chats
from tuner import models, paths, runs
from tuner.data.quality import language
from tuner.data.quality.language import Languages
from tuner.data.store import sample_data, store
from tuner.jobs import training
from tuner.planning import language_warnings
from tuner.planning.model_suggestions import Suggestion
from tuner.planning.token_counts import Coverage

FACTS = models.resolve("starter").facts
SENTENCES = {
    "en": "The parcel has still not arrived, and nobody could tell me where it is or when it will come.",
    "de": "Das Paket ist noch immer nicht da, und niemand konnte mir sagen, wo es ist oder wann es kommt.",
    "fr": "Le colis n'est toujours pas arrivé, et personne n'a pu me dire où il est ni quand il viendra.",
    "ru": "Посылка до сих пор не пришла, и никто не мог мне сказать, где она находится и когда придёт.",
    "ja": "荷物はまだ届いていません。どこにあるのか、いつ来るのか、だれも教えてくれませんでした。",
}


def better(wanted):
    return Suggestion("owner/polyglot", "", 10**9)


def warned(*rows: str | None, knows=("en",), coverage=None, suggest=better) -> list[dict]:
    return language_warnings.warnings(replace(FACTS, languages=knows), Languages(rows), coverage, suggest)


# --- what the model card or the catalog names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "name"), [("de", "German"), ("fr", "French"), ("ru", "Russian"), ("ja", "Japanese")])
def test_another_language_is_a_warning_that_names_a_model(code, name):
    (found,) = warned(*[code] * 50)
    assert found["name"] == "language_not_known" and found["severity"] == "warning"
    assert found["message"] == f"The trained text is in {name}, and starter knows only English."
    assert found["remedy"].startswith(f"Choose a model that knows {name}, such as owner/polyglot (1.0 GB to download)")
    assert found["fixes"] == [{"title": "Choose owner/polyglot", "settings": {"model": "owner/polyglot"}}]


def test_what_the_model_knows_is_no_warning():
    assert warned(*["en"] * 50) == [] and warned(*["de"] * 50, knows=("en", "de")) == [] and warned(*["de"] * 50, knows=("*",)) == []
    assert warned(*["Cyrl"] * 50, knows=("en", "ru")) == [] and warned(*[None] * 50) == [] and warned() == []


def test_shares_of_mixed_rows():
    """A fifth of the rows is enough, in one language or several; what is rare is not named."""
    (found,) = warned(*["en"] * 50, *["de"] * 30, *["fr"] * 18, *["it"] * 2)
    assert found["message"] == "The trained text is in German in 30% of the rows and in French in 18%, and starter knows only English."
    assert warned(*["en"] * 85, *["de"] * 15) == [] and len(warned(*["en"] * 80, *["de"] * 20)) == 1
    assert len(warned(*["en"] * 76, *["de"] * 12, *["fr"] * 12)) == 1, "together"
    assert warned(*["en"] * 70, *[c for c in ("de", "fr", "it", "es", "pl", "nl", "sv", "da", "tr", "cs") for _ in range(3)]) == [], "noise"


def test_code_among_german_rows_counts_as_rows():
    assert warned(*["de"] * 15, *[None] * 85) == [], "85% are in no language"


def test_the_model_that_is_named_knows_all_languages_of_the_rows():
    asked = []
    warned(*["en"] * 50, *["de"] * 50, suggest=lambda wanted: asked.append(wanted) or better(wanted))
    assert asked == [["en", "de"]]
    (found,) = warned(*["en"] * 50, *["de"] * 50, suggest=lambda wanted: Suggestion("starter" if "en" in wanted else "owner/german", ""))
    assert found["fixes"][0]["settings"] == {"model": "owner/german"}, "where none knows all, one that knows what is missing"


def test_where_no_model_fits_none_is_named():
    (found,) = warned(*["de"] * 50, suggest=lambda wanted: Suggestion("starter", ""))
    assert found["fixes"] == [] and found["remedy"] == "Choose a model that knows German."


# --- what the tokenizer shows ---------------------------------------------------------------------------------------------------


def cut(rows: int, tokens: int, unknown: int = 0, characters=()) -> Coverage:
    """Texts of 100 bytes, of which English takes 25 tokens."""
    return Coverage([25, 100], [[tokens, 100, unknown]] * rows, list(characters))


def test_a_model_of_which_nothing_is_said_is_measured():
    (found,) = warned(*["de"] * 50, knows=(), coverage=cut(50, 60))
    assert found["severity"] == "warning" and "2.4 times as many tokens" in found["message"] and found["fixes"]
    (found,) = warned(*["de"] * 50, knows=(), coverage=cut(50, 40))
    assert found["severity"] == "info" and "1.6 times" in found["message"]
    assert warned(*["de"] * 50, knows=(), coverage=cut(50, 32)) == [], "as much as tokenizers of many languages take"


def test_nothing_is_said_where_nothing_is_known():
    assert warned(*["de"] * 50, knows=()) == [] and warned(*["en"] * 50, knows=(), coverage=cut(50, 90)) == []
    assert warned("de", None, knows=(), coverage=cut(2, 90)) == [], "too little text to measure"
    assert warned(*["de"] * 50, knows=("de",), coverage=cut(50, 90)) == [], "the model card goes before"
    assert warned(*["de"] * 50, knows=(), coverage=cut(3, 90)) == [], "of other rows"


def test_unknown_tokens_are_a_finding_of_their_own():
    (found,) = warned(*["en"] * 50, coverage=cut(50, 25, unknown=2, characters="東京"))
    assert found["name"] == "unknown_tokens" and "8.0% of the tokens" in found["message"] and "(東 京)" in found["message"]
    assert found["fixes"] == [] and "replace them" in found["remedy"], "no other model is better at English"
    assert {w["name"] for w in warned(*["ja"] * 50, coverage=cut(50, 25, unknown=2))} == {"language_not_known", "unknown_tokens"}
    assert warned(*["en"] * 50, coverage=cut(50, 200, unknown=2)) == [], "1% is nothing"


# --- from the data to the run ---------------------------------------------------------------------------------------------------


def german(n: int = 40) -> list[dict]:
    return chats([f"{SENTENCES['de']} ({i})" for i in range(n)])


def added(ws, tmp_path, rows, name: str = "rows") -> store.Dataset:
    return store.add(ws, write_rows(tmp_path / f"{name}.jsonl", rows), held_out=0.1)


def of_plan(ws, ds, model="starter", **settings) -> list[dict]:
    plan = training.prepare(ws, {"model": str(model), "data": ds.ref, "device": "cpu"} | settings)[0]
    return [w for w in plan.as_dict()["warnings"] if w["name"] in ("language_not_known", "unknown_tokens")]


def test_the_starter_and_rows_in_another_language(ws, tmp_path):
    for code in ("de", "fr", "ru", "ja"):
        (found,) = of_plan(ws, added(ws, tmp_path, chats([f"{SENTENCES[code]} ({i})" for i in range(30)]), code))
        assert f"The trained text is in {language.NAMES[code]}" in found["message"] and found["severity"] == "warning"
        (fix,) = found["fixes"]
        named = models.resolve(fix["settings"]["model"])
        assert code in named.facts.languages or "*" in named.facts.languages, "a model of the catalog that knows it"


NO_CAUSE = {
    "English": [{"text": f"{SENTENCES['en']} ({i})"} for i in range(30)],
    "sums": chat_rows(),
    "code": chats([f"```python\nfor i in range({i}):\n    print(f(i, {i}))\n```" for i in range(30)], ask="print"),
    "numbers": [{"text": f"{i * 37.5:.2f} {i} 2024-05-{i % 28 + 1:02d}", "label": "even" if i % 2 else "odd"} for i in range(30)],
    "short labels": [{"text": ["gut", "good", "bon", "bad"][i % 4] + str(i), "label": "yes" if i % 2 else "no"} for i in range(30)],
    "names": [
        {"text": f"{['Maria Schmidt', 'Pierre Dupont', 'Anna Rossi'][i % 3]} {i}", "label": "a" if i % 2 else "b"} for i in range(30)
    ],
    "a few German rows": [{"text": f"{SENTENCES['de' if i % 8 == 0 else 'en']} ({i})"} for i in range(40)],
}


def test_no_warning_without_cause(ws, tmp_path):
    for n, (what, rows) in enumerate(NO_CAUSE.items()):
        assert of_plan(ws, added(ws, tmp_path, rows, f"rows{n}")) == [], what
    for name in ("helpdesk", "persona", "tickets", "preferences"):
        assert of_plan(ws, sample_data.add(ws, name)) == [], name


def test_rows_half_in_german(ws, tmp_path):
    (found,) = of_plan(ws, added(ws, tmp_path, chats([f"{TEXTS['de' if i % 2 else 'en']} ({i})" for i in range(40)])))
    assert found["message"] == "The trained text is in German in 50% of the rows, and starter knows only English."


CARDS = {  # model card of a copy of the starter -> what its message says of German rows
    "---\nlanguage: en\n---\n": "knows only English.",
    "---\nlanguage: [fr, es]\n---\n": "knows only French and Spanish.",
    "---\nlanguage: [en, de]\n---\n": None,
    "---\nlanguage: multilingual\n---\n": None,
    "---\nlanguage: [en\n---\n": "seems to know little",
    None: "seems to know little",
}


def test_the_model_card_of_a_folder_decides_and_without_one_its_tokenizer(ws, tmp_path):
    """The starter's tokenizer takes 1.6 times as many tokens for German as for English, and cuts Russian into bytes."""
    folder = shutil.copytree(paths.STARTER, tmp_path / "copy", ignore=shutil.ignore_patterns("README.md"))
    ds = added(ws, tmp_path, german())
    for card, said in CARDS.items():
        (folder / "README.md").unlink(missing_ok=True)
        if card:
            (folder / "README.md").write_text(card)
        assert [said in w["message"] for w in of_plan(ws, ds, folder)] == ([True] if said else []), card
    (found,) = of_plan(ws, added(ws, tmp_path, chats([f"{SENTENCES['ru']} ({i})" for i in range(30)]), "ru"), folder)
    assert found["severity"] == "warning" and "times as many tokens" in found["message"]
    assert of_plan(ws, added(ws, tmp_path, chats([SENTENCES["en"] + str(i) for i in range(30)]), "en"), folder) == []


def test_a_model_of_the_catalog_needs_no_download_to_be_judged(ws, tmp_path):
    ds = added(ws, tmp_path, german())
    assert "knows only English" in of_plan(ws, ds, "HuggingFaceTB/SmolLM2-135M-Instruct")[0]["message"]
    assert of_plan(ws, ds, "Qwen/Qwen2.5-0.5B-Instruct") == []


def test_a_run_starts_and_keeps_the_warning(ws, tmp_path, monkeypatch):
    """It never blocks; the start waits for the classifier, so that the warning can't be missed."""
    monkeypatch.setattr(training.run_queue, "enqueue", lambda ws, run: None)
    ds = added(ws, tmp_path, german())
    language._KNOWN.clear()
    run = training.start(ws, {"model": "starter", "data": ds.ref, "device": "cpu"})
    (kept,) = [w for w in runs.get(ws, run.id).warnings if w["name"] == "language_not_known"]
    assert kept in json.loads((run.path / "plan.json").read_text())["warnings"]


def test_a_plan_of_the_page_does_not_wait_for_the_classifier(ws, tmp_path, monkeypatch):
    ds = added(ws, tmp_path, german())
    values = {"model": "starter", "data": ds.ref, "device": "cpu"}
    language._KNOWN.clear()
    monkeypatch.setattr(language, "_loading", lambda: type("Loading", (), {"is_alive": lambda self: True})())
    plan = training.prepare(ws, values, wait=30)[0]
    assert "language_not_known" not in {w["name"] for w in plan.warnings} and not language.told(ds)
    assert "language_not_known" in {w["name"] for w in training.prepare(ws, values)[0].warnings} and language.told(ds)
