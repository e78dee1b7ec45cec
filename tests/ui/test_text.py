"""Every string of the page comes from the catalogues, which say the same things in each language."""

import ast
import re

import orjson
import pytest
from fluent.syntax import FluentParser, visitor
from gradio.context import LocalContext

from tests.conftest import ROOT
from tuner.errors import SettingError
from ui import engine_text, text

TRANSLATED = [*text.LANGUAGES, text.PSEUDO]


class Variables(visitor.Visitor):
    def __init__(self):
        self.found = set()

    def visit_VariableReference(self, node):
        self.found.add(node.id.name)


def variables(source: str) -> dict[str, set[str]]:
    """Return the parameters of each message and attribute of a catalogue."""
    found = {}
    for entry in FluentParser().parse(source).body:
        if type(entry).__name__ == "Message":
            parts = {entry.id.name: entry.value, **{f"{entry.id.name}.{a.id.name}": a.value for a in entry.attributes}}
            for key, value in parts.items():
                if value is not None:
                    (seen := Variables()).visit(value)
                    found[key] = seen.found
    return found


def everything(language: str) -> dict[str, set[str]]:
    return {k: v for source in text.sources(language).values() for k, v in variables(source).items()}


def calls() -> dict[str, str]:
    """Return {key: place} of all calls of `text` with a key that is written out."""
    found = {}
    for file in sorted((ROOT / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "text" and node.args:
                if isinstance(node.args[0], ast.Constant):
                    found[node.args[0].value] = f"{file.relative_to(ROOT)}:{node.lineno}"
    return found


def begun() -> list[re.Pattern]:
    """Return patterns of the keys that are put together: `text(f"page-{name}")`, and of those that the code names as plain strings."""
    made = []
    for file in sorted((ROOT / "ui").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [re.escape(v.value) if isinstance(v, ast.Constant) else "[a-z0-9-]+" for v in node.values]
                if len(parts) > 1 and isinstance(node.values[0], ast.Constant) and re.fullmatch("[a-z][a-z0-9-]*-", node.values[0].value):
                    made.append(re.compile("".join(parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("[a-z][a-z0-9-]*", node.value):
                made.append(re.compile(re.escape(node.value)))
    return made


def test_each_language_says_all_with_the_same_parameters():
    english = everything("en")
    for language in text.LANGUAGES:
        there = everything(language)
        assert sorted(set(english) - set(there)) == [], f"missing in {language}"
        assert sorted(set(there) - set(english)) == [], f"no such message in English, but in {language}"
        assert {k: v for k, v in there.items() if v != english[k]} == {}


def test_every_key_that_the_code_names_is_there_and_none_is_left_over():
    there, named = text.catalogue("en").patterns, calls()
    assert {k: place for k, place in named.items() if k not in there} == {}
    written = {k for name, source in text.sources("en").items() if name != "engine" for k in variables(source)}
    patterns = begun()
    left = [k for k in written if k not in named and not any(p.fullmatch(part) for p in patterns for part in (k, k.partition(".")[0]))]
    assert sorted(left) == []


@pytest.mark.parametrize("language", text.LANGUAGES)
def test_a_message_is_text_and_no_html(language):
    for name, source in text.sources(language).items():
        assert not re.findall(r"^.*[<>&\ue000-\ue002].*$", source.replace("->", ""), re.M), name  # Fluent's own arrow before variants


def test_while_the_page_is_built_a_placeholder_stands_for_the_text_and_is_filled_per_visitor(hello):
    with text.building():
        made = {"label": text.text("page-data"), "html": f"<h1>{text.text('hello', who='Zoë <b>')}</h1>"}
    assert "Data" not in made["label"]
    sent = {language: orjson.loads(text.fill(orjson.dumps(made), language)) for language in TRANSLATED}
    assert sent["en"] == {"label": "Data", "html": '<h1>Hello "Zoë <b>"</h1>'}
    assert sent["de"]["label"] == "Daten" and sent["de"]["html"] == sent["en"]["html"], "English where a catalogue lacks a message"
    assert sent["en-XA"]["label"].startswith("⟦")
    assert text.fill(b"{}", "de") == b"{}"


@pytest.fixture
def hello(monkeypatch):
    """A message that English alone has."""
    sources = text.sources
    monkeypatch.setattr(
        text, "sources", lambda language: sources(language) | ({"more": 'hello = Hello "{ $who }"'} if language == "en" else {})
    )
    for kept in (text.catalogue, text._plain):
        kept.cache_clear()
    yield
    for kept in (text.catalogue, text._plain):
        kept.cache_clear()


class Request:
    def __init__(self, cookie):
        self.headers = {"cookie": cookie} if cookie else {}


@pytest.mark.parametrize(
    ("cookie", "language"),
    [
        ("tunesmith-language=de", "de"),
        ("a=b; tunesmith-language=en-XA; c=d", "en-XA"),
        ("tunesmith-language=xx", "en"),
        ("tunesmith-language=../../etc", "en"),
        ("\x00;;=", "en"),
        (None, "en"),
    ],
)
def test_a_handler_speaks_the_language_of_whoever_asks(cookie, language, monkeypatch):
    token = LocalContext.request.set(Request(cookie))
    try:
        assert text.language() == language
    finally:
        LocalContext.request.reset(token)
    assert text.language() == "en"
    monkeypatch.setenv("TUNESMITH_LANGUAGE", "de")
    assert text.language() == "de" and text.chosen(None) == "de"
    monkeypatch.setenv("TUNESMITH_LANGUAGE", "klingon")
    with pytest.raises(SettingError, match="klingon"):
        text.default()


def test_an_unknown_key_or_a_missing_parameter_is_an_error(hello):
    with pytest.raises(KeyError):
        text.text("no-such-message")
    with pytest.raises(KeyError, match="who"):
        text.text("hello", whom="Ada")


def test_the_pseudo_locale_is_longer_and_keeps_what_is_put_in(hello):
    out = text.message("en-XA", "hello", {"who": "Ada"})
    assert out.startswith("⟦") and out.endswith("⟧") and "Ada" in out and "Hello" not in out
    assert len(out) > 1.3 * len(text.message("en", "hello", {"who": "Ada"}))


def test_what_the_engine_defines_is_english_by_itself():
    assert text.text("setting-lora-rank.label") == "LoRA rank"
    assert text.text("method-full.label") == "Full fine-tuning"
    assert engine_text.key("setting", "lora_rank") == "setting-lora-rank"
