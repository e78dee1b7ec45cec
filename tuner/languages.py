"""Languages by their ISO 639-1 codes: names, scripts, and the other ways in which they are written."""

import re
from typing import Any

EVERY = "*"  # any language
NAMES = {  # of the most common codes; other codes are shown as they are
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi",
    "hu": "Hungarian", "id": "Indonesian or Malay", "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sh": "Croatian or Serbian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
    "Cyrl": "the Cyrillic script", "Arab": "the Arabic script", "Deva": "the Devanagari script",
}  # fmt: skip
ALIASES = {  # other codes of the same language, and of those that can't be told apart in a few sentences
    "nb": "no", "nn": "no", "iw": "he", "in": "id", "ms": "id", "tl": "fil", "bs": "sh", "hr": "sh", "sr": "sh", "yue": "zh", "wuu": "zh",
    "arz": "ar", "ary": "ar", "uzs": "uz", "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "por": "pt",
    "ita": "it", "nld": "nl", "dut": "nl", "pol": "pl", "rus": "ru", "ukr": "uk", "tur": "tr", "ara": "ar", "hin": "hi", "zho": "zh",
    "chi": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko", "vie": "vi", "tha": "th", "ind": "id", "swe": "sv", "dan": "da", "fin": "fi",
    "nor": "no", "ces": "cs", "cze": "cs", "ell": "el", "heb": "he", "fas": "fa", "hun": "hu", "ron": "ro",
}  # fmt: skip
SCRIPTS = {  # scripts of several languages: which write in them
    "Cyrl": {"ru", "uk", "bg", "be", "sh", "mk", "kk", "ky", "mn", "tg", "tt", "ba"},
    "Arab": {"ar", "fa", "ur", "ps", "ug", "sd", "ku"},
    "Deva": {"hi", "mr", "ne", "sa"},
}
BY_NAME = {name.lower(): code for code, name in NAMES.items()} | {"croatian": "sh", "serbian": "sh", "indonesian": "id", "malay": "id"}


def code(value: Any) -> str | None:
    """Return the code of what a card writes ('de', 'de-AT', 'deu_Latn', 'German'); None for what names no language ('code')."""
    if value is False:
        return "no"  # YAML reads Norwegian's code as the word no
    word = str(value).strip().lower()
    if word in BY_NAME:
        return BY_NAME[word]
    if word in ("multilingual", "multi", "mul"):
        return EVERY
    word = re.split(r"[-_]", word)[0]
    return ALIASES.get(word, word) if re.fullmatch(r"[a-z]{2,3}", word) else None


def knows(known: tuple[str, ...], language: str) -> bool:
    """Return whether a language, or a script ("Cyrl"), is among those that a model knows."""
    return EVERY in known or language in known or bool(SCRIPTS.get(language, set()) & set(known))


def name(language: str) -> str:
    """Return a language's name as it stands in a sentence."""
    return NAMES.get(language, language)


def names(languages: list[str], most: int = 4) -> str:
    """Return 'English', 'English and German', 'English, German, French, Spanish and 3 more'."""
    shown = [name(c) for c in languages[:most]]
    more = [f"{len(languages) - most} more"] if len(languages) > most else []
    *first, last = [*shown, *more]
    return f"{', '.join(first)} and {last}" if first else last
