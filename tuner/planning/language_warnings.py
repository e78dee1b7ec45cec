"""Data in a language that the model does not know, seen before the start: a warning that names a model that knows it. It never blocks a run.

What a model knows is what its model card or the catalog names. Where neither names any, its tokenizer is measured: tokens per byte of UTF-8 on the
rows of a language against plain English. (Per byte, not per character: a Chinese character says as much as several letters, and takes three bytes.)
From LITTLE times English on it is told, from HARDLY on it is a warning. Figures behind the two, all relative to English:

- The starter (4,096 tokens of English): German 1.6, French 1.9, Spanish 2.0, Turkish 2.3, Polish 2.5, Russian, Arabic, Hindi, Chinese and
  Japanese 3.7 (single bytes). BPE of 4,096 to 32,768 tokens trained on English web text: German 1.8 to 2.0, French 1.7 to 1.9, Polish 2.3 to 2.6.
- From the counts that Petrov et al. 2023 (arXiv:2305.15425) published for FLORES-200: GPT-2 German 1.8, French 1.6, Finnish 2.1, Czech 2.4, Japanese
  2.4, Arabic 2.8, Hindi 2.9, Hebrew 3.2; LLaMA, which was trained on twenty languages, German and French 1.2, Czech 1.6, Arabic 2.1, Greek 2.3;
  Qwen German and French 1.3, Arabic 1.0, Japanese 1.2, Hindi 1.8, Czech 1.9, Greek 2.3; XLM-R, of a hundred languages, German 1.0, Czech 1.1.

So below 1.5 nothing can be said, between the two a tokenizer of English alone looks like one of many languages that cuts this one finely, and above
2.0 it has few pieces of the language. Unknown tokens are a finding of their own, for any model.
"""

from collections.abc import Callable
from typing import Any

from tuner import languages
from tuner.data.quality.language import Languages
from tuner.formatting import human_bytes
from tuner.models import ModelFacts
from tuner.planning.model_suggestions import Suggestion
from tuner.planning.token_counts import Coverage
from tuner.runs import run_warnings

SHARE, LEAST = 0.2, 0.05  # share of the rows in languages that the model does not know; share from which a language counts
LITTLE, HARDLY = 1.5, 2.0  # tokens per byte, relative to English
BYTES = 300  # of text in a language, from which on it is measured
UNKNOWN = 0.01  # share of the tokens

Suggest = Callable[[list[str]], Suggestion]  # a model that knows these languages: `model_suggestions.recommended`


def warnings(facts: ModelFacts, found: Languages, coverage: Coverage | None, suggest: Suggest) -> list[dict[str, Any]]:
    """Return the warnings about the languages of the rows, each with the model that would be better."""
    spoken = {language: share for language, share in found.shares.items() if share >= LEAST}
    if facts.languages:
        out = _not_named(facts, spoken, suggest)
    else:
        out = _measured(facts, spoken, _ratios(found, coverage), suggest)
    return out + _unknown(facts, spoken, coverage, suggest)


def _not_named(facts: ModelFacts, spoken: dict[str, float], suggest: Suggest) -> list[dict[str, Any]]:
    missing = {language: share for language, share in spoken.items() if not languages.knows(facts.languages, language)}
    if sum(missing.values()) < SHARE:
        return []
    message = f"{_shares(missing)}, and {facts.name} knows only {languages.names(list(facts.languages))}."
    remedy, fixes = _remedy(list(missing), list(spoken), facts, suggest)
    return [run_warnings.make("language_not_known", message, remedy, fixes=fixes)]


def _measured(facts: ModelFacts, spoken: dict[str, float], ratios: dict[str, float], suggest: Suggest) -> list[dict[str, Any]]:
    missing = {language: share for language, share in spoken.items() if language != "en" and ratios.get(language, 0) >= LITTLE}
    if sum(missing.values()) < SHARE:
        return []
    most = max(ratios[language] for language in missing)
    message = (
        f"{_shares(missing)}, and {facts.name} seems to know little of that: its tokenizer takes {most:.1f} times as many tokens as for "
        f"English text of the same size. (No model card names its languages.)"
    )
    severity = "warning" if most >= HARDLY else "info"
    remedy, fixes = _remedy(list(missing), list(spoken), facts, suggest)
    return [run_warnings.make("language_not_known", message, remedy, severity=severity, fixes=fixes)]


def _ratios(found: Languages, coverage: Coverage | None) -> dict[str, float]:
    """Return tokens per byte relative to English, by language, as far as there is text to measure."""
    if coverage is None or len(coverage.rows) != len(found.rows):
        return {}
    english = coverage.english[0] / max(1, coverage.english[1])
    out = {}
    for language in set(found.rows) - {None}:
        rows = [row for row, own in zip(coverage.rows, found.rows, strict=True) if own == language]
        if (size := sum(row[1] for row in rows)) >= BYTES and english:
            out[language] = sum(row[0] for row in rows) / size / english
    return out


def _unknown(facts: ModelFacts, spoken: dict[str, float], coverage: Coverage | None, suggest: Suggest) -> list[dict[str, Any]]:
    tokens = sum(row[0] for row in coverage.rows) if coverage else 0
    share = sum(row[2] for row in coverage.rows) / tokens if tokens else 0.0
    if share <= UNKNOWN:
        return []
    such = f" ({' '.join(coverage.unknown)})" if coverage.unknown else ""
    message = (
        f"{share:.1%} of the tokens are unknown to the tokenizer of {facts.name}{such}: the model can't tell them apart, nor write them."
    )
    others = [language for language in spoken if language != "en"]
    remedy, fixes = _remedy(others, list(spoken) if others else [], facts, suggest)
    return [run_warnings.make("unknown_tokens", message, remedy, fixes=fixes)]


def _remedy(missing: list[str], spoken: list[str], facts: ModelFacts, suggest: Suggest) -> tuple[str, list[dict[str, Any]]]:
    """Return what to do, and as a fix a model that knows all languages of the rows; where there is none, one that knows the missing ones."""
    if not missing:
        return "Choose a model whose tokenizer has these characters, or replace them.", []
    wanted = f"Choose a model that knows {languages.names(missing)}"
    found = _better(facts, spoken, suggest) or _better(facts, missing, suggest)
    if found is None:
        return f"{wanted}.", []
    size = f" ({human_bytes(found.download)} to download)" if found.download else ""
    fix = {"title": f"Choose {found.id}", "settings": {"model": found.id}}
    return f"{wanted}, such as {found.id}{size}, which can be trained on this computer.", [fix]


def _better(facts: ModelFacts, wanted: list[str], suggest: Suggest) -> Suggestion | None:
    found = suggest(wanted) if wanted else None
    return found if found and found.id not in ("starter", facts.name) else None


def _shares(spoken: dict[str, float]) -> str:
    """Return 'The trained text is in German', 'The trained text is in German in 60% of the rows and in Russian in 30%'."""
    if len(spoken) == 1 and max(spoken.values()) >= 0.995:
        return f"The trained text is in {languages.names(list(spoken))}"
    shown = [f"in {languages.name(language)} in {share:.0%}" for language, share in list(spoken.items())[:4]]
    shown[0] += " of the rows"
    return f"The trained text is {', '.join(shown[:-1]) + ' and ' if shown[1:] else ''}{shown[-1]}"
