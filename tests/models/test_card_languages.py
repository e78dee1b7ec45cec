"""The languages that a model knows: from its model card, from the catalog, and for a run from its base."""

import os
from types import SimpleNamespace

import pytest

from tests.models.test_model_refusals import LLAMA, WHOLE, model_folder
from tuner import languages, models, paths
from tuner.models import card_languages

FRONT = {  # front matter -> languages
    "language: en": ("en",),
    "language:\n- en\n- de": ("en", "de"),
    "language: [en, de]\nlicense: mit": ("en", "de"),
    "license: mit\nlanguage: [\n  en,\n  de\n]": ("en", "de"),
    'language: ["en", "pt-BR", "zh_Hans", deu, German, nb]': ("en", "pt", "zh", "de", "no"),
    "language: no": ("no",),  # YAML reads this as false
    "language:\n- sv\n- no\n- code": ("sv", "no"),
    "languages: en": ("en",),
    "language: en, fr": ("en", "fr"),
    "language: multilingual": ("*",),
    "language:\n- en\n- multilingual": ("*",),
    "language: code": (),
    "language:": (),
    "language: {en: yes}": (),
    "language: [3, 4.5, null]": (),
    "license: mit": (),
    "language: [en": (),
    "language: '[" + "[" * 5000: (),
    "language: " + "[" * 5000: (),
    "tags: [broken\nlanguage: en": ("en",),  # nothing else of it is read
    "model:\n  language: en": (),
}


@pytest.mark.parametrize("front", FRONT)
def test_a_card_is_read(front, tmp_path):
    (tmp_path / "README.md").write_text(f"---\n{front}\n---\n# A model\nlanguage: fr\n", encoding="utf-8")
    assert card_languages.of_card(tmp_path) == FRONT[front]


@pytest.mark.parametrize("card", [b"", b"# A model", b"---\nlanguage: en\n", b"language: en", b"\xff\xfe---\x00"])
def test_a_card_without_front_matter_says_nothing(card, tmp_path):
    (tmp_path / "README.md").write_bytes(card)
    assert card_languages.of_card(tmp_path) == ()


def test_what_is_no_file_is_not_opened(tmp_path):
    assert card_languages.of_card(tmp_path) == ()
    os.mkfifo(tmp_path / "README.md")  # reading it would never end
    assert card_languages.of_card(tmp_path) == ()


def test_a_card_of_another_platform_is_read_and_a_changed_one_anew(tmp_path):
    card = tmp_path / "README.md"
    card.write_bytes(b"\xef\xbb\xbf---\r\nlanguage: en\r\n---\r\n# A model")
    assert card_languages.of_card(tmp_path) == ("en",)
    card.write_text("---\nlanguage: [en, de]\n---\n")
    assert card_languages.of_card(tmp_path) == ("en", "de")


def test_the_catalog_counts_or_names():
    assert card_languages.of_entry({"languages": ["en"]}) == ("en",) and card_languages.of_entry({}) == ()
    assert (
        card_languages.of_entry({"languages": ["more than 100"]})
        == card_languages.of_entry({"languages": ["201 languages and dialects"]})
        == ("*",)
    )
    assert card_languages.of_entry({"languages": ["en and 7 more"]}) == (), "which seven is not said"
    for entry in models.catalog():
        assert models.catalog_facts(entry).languages == card_languages.of_entry(entry)


def test_a_script_is_known_with_a_language_that_is_written_in_it():
    assert languages.knows(("en", "ru"), "Cyrl") and not languages.knows(("en", "de"), "Cyrl") and languages.knows(("*",), "Cyrl")
    assert languages.knows(card_languages.listed("hr"), "sh") and not languages.knows(("en",), "de")


def test_names_in_a_sentence():
    assert languages.names(["en"]) == "English" and languages.names(["en", "de"]) == "English and German"
    assert languages.names(["en", "fr", "de", "es", "it", "pt"]) == "English, French, German, Spanish and 2 more"
    assert languages.names(["xx"]) == "xx"


# --- of a model -----------------------------------------------------------------------------------------------------------


def test_the_starter_knows_english_and_a_folder_what_its_card_says(tmp_path):
    assert models.resolve("starter").facts.languages == ("en",)
    folder = model_folder(tmp_path / "mine")
    assert models.resolve(str(folder)).facts.languages == ()
    (folder / "README.md").write_text("---\nlanguage: [de, fr]\n---\n")
    assert models.resolve(str(folder)).facts.languages == ("de", "fr")


@pytest.mark.parametrize(("card", "known"), [(None, ()), (SimpleNamespace(language="de"), ("de",)), (SimpleNamespace(language=None), ())])
def test_the_card_of_the_hub_comes_with_the_list_of_files(tmp_path, monkeypatch, card, known):
    import httpx
    import huggingface_hub

    folder, asked = model_folder(tmp_path / "there"), []
    monkeypatch.setattr(httpx, "head", lambda *a, **k: None)
    listed = SimpleNamespace(siblings=[SimpleNamespace(rfilename=n) for n in {*WHOLE, "README.md"}], card_data=card)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda self, id, token=None: listed)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda id, name, **_: asked.append(name) or str(folder / name))
    assert models.resolve("some/thing").facts.languages == known
    assert "README.md" not in asked and LLAMA


def test_a_run_knows_what_its_base_does(house, tmp_path):
    """As its plan has it; a run of an earlier version, whose plan says nothing, as its base is known."""
    for id in (house.lora, house.full):
        assert house.run(id).plan["model"]["languages"] == ["en"]
        assert models.resolve(id, house.ws).facts.languages == ("en",)
    file = house.run(house.full).path / "plan.json"
    before = paths.read_json(file, {})
    try:
        paths.write_json(file, before | {"model": {k: v for k, v in before["model"].items() if k != "languages"}})
        assert models.resolve(house.full, house.ws).facts.languages == ("en",)
    finally:
        paths.write_json(file, before)
