"""Every string of the page: `text(key, **params)`, in the language that the visitor chose, from the catalogues in ui/locales.

Fluent (fluent.runtime), since `gr.I18n` has no parameters and follows the browser alone. The page is built once for all visitors: `text` then
returns a placeholder, which `fill` replaces as the page is sent. Later it knows the visitor by the request that Gradio handles.
What the engine defines (titles of settings, methods, presets ...) is no second catalogue: its English messages are made from there.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, NamedTuple

from fluent.runtime import FluentBundle, FluentResource
from gradio.context import LocalContext
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tuner.errors import SettingError
from ui import engine_text, pseudo_locale

FOLDER = Path(__file__).with_name("locales")
LANGUAGES = {"en": "English", "de": "Deutsch"}  # as they call themselves
PSEUDO = "en-XA"  # English with accents and longer words: it shows a string that stands in no catalogue
COOKIE = "tunesmith-language"
SENDING: ContextVar[str | None] = ContextVar("language of the visitor to whom the page is sent", default=None)

_building: ContextVar[bool] = ContextVar("whether the page is being built", default=False)
_PLACEHOLDER = re.compile("\ue000([a-z0-9.-]+)(?:\ue002([A-Za-z0-9_=-]*))?\ue001")


def text(key: str, **params: Any) -> str:
    """Return the message `key` (or `key.attribute`); KeyError for one that stands in no catalogue."""
    if _building.get():
        packed = "\ue002" + base64.urlsafe_b64encode(json.dumps(params).encode()).decode() if params else ""
        return f"\ue000{key}{packed}\ue001"
    return message(language(), key, params)


def language() -> str:
    """Return the language of whoever asks: their own choice, else the one of this page."""
    if sending := SENDING.get():
        return sending
    request = LocalContext.request.get(None)
    return chosen(request.headers.get("cookie")) if request is not None else default()


def chosen(cookies: str | None) -> str:
    """Return the language that a browser's cookies name, else the one of this page."""
    try:
        found = SimpleCookie(cookies or "").get(COOKIE)
    except CookieError:
        found = None  # another program's cookie on this host is malformed
    return found.value if found is not None and found.value in (*LANGUAGES, PSEUDO) else default()


def default() -> str:
    """Return the language of a visitor who chose none: TUNESMITH_LANGUAGE, else English."""
    wanted = os.environ.get("TUNESMITH_LANGUAGE") or "en"
    if wanted not in (*LANGUAGES, PSEUDO):
        raise SettingError(
            f"The page has no language {wanted!r}.",
            asked=wanted,
            available=list(LANGUAGES),
            remedy="Set TUNESMITH_LANGUAGE to one of these.",
            field="language",
        )
    return wanted


@contextmanager
def building() -> Iterator[None]:
    """Have `text` return placeholders within the block."""
    token = _building.set(True)
    try:
        yield
    finally:
        _building.reset(token)


def fill(page: bytes, language: str) -> bytes:
    """Replace the placeholders in a JSON document."""
    if "\ue000".encode() not in page:
        return page

    def put(found: re.Match) -> str:
        params = json.loads(base64.urlsafe_b64decode(found[2])) if found[2] else {}
        params = {k: _inner(v, language) if isinstance(v, str) else v for k, v in params.items()}
        return json.dumps(message(language, found[1], params), ensure_ascii=False)[1:-1]

    return _PLACEHOLDER.sub(put, page.decode()).encode()


def _inner(param: str, language: str) -> str:
    """Replace the placeholders in a parameter, which may be a text itself."""
    return json.loads(fill(json.dumps(param, ensure_ascii=False).encode(), language))


def message(language: str, key: str, params: dict[str, Any]) -> str:
    """Return a message in a language, in English where its catalogue lacks it; KeyError for an unknown key or a missing parameter."""
    spoken = language if key in catalogue(language).patterns else "en"
    return _written(spoken, key, **params) if params else _plain(spoken, key)


@cache
def _plain(language: str, key: str) -> str:
    return _written(language, key)


def _written(language: str, key: str, **params: Any) -> str:
    found = catalogue(language)
    out, errors = found.bundle.format_pattern(found.patterns[key], params)
    if errors:
        raise KeyError(f"{key} in {language}: {errors[0]}")
    return out


class Catalogue(NamedTuple):
    """The messages of a language: `patterns` by key, of the messages, and as `key.attribute` of their attributes."""

    bundle: FluentBundle
    patterns: dict[str, Any]


@cache
def catalogue(language: str) -> Catalogue:
    """Return the catalogue of a language. The pseudo-locale is English, each text changed."""
    bundle, patterns = FluentBundle([language], use_isolating=False), {}
    for name, source in sources("en" if language == PSEUDO else language).items():
        resource = FluentResource(source)
        if broken := [e.content for e in resource.body if type(e).__name__ == "Junk"]:
            raise ValueError(f"{name} of {language} can't be read: {broken[0][:200]!r}")
        bundle.add_resource(pseudo_locale.changed(resource) if language == PSEUDO else resource)
        for id in (e.id.name for e in resource.body if type(e).__name__ == "Message"):
            found = bundle.get_message(id)
            patterns |= {id: found.value} if found.value is not None else {}
            patterns |= {f"{id}.{name}": value for name, value in found.attributes.items()}
    return Catalogue(bundle, patterns)


def sources(language: str) -> dict[str, str]:
    """Return the catalogues of a language as Fluent source, by file name; what the engine says of itself is English."""
    files = {f.name: f.read_text(encoding="utf-8") for f in sorted((FOLDER / language).glob("*.ftl"))}
    return files | ({"engine": engine_text.catalogue()} if language == "en" else {})


class PageLanguage:
    """Send the page in the language that the browser's cookie names: an ASGI layer around Gradio's app."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        token = SENDING.set(chosen(Headers(scope=scope).get("cookie")))
        try:
            await self.app(scope, receive, send)
        finally:
            SENDING.reset(token)


def fill_placeholders() -> None:
    """Have Gradio's JSON of the page (in its HTML, and as /config) filled with the texts of the visitor's language."""
    from gradio.routes import ORJSONResponse

    if not hasattr(ORJSONResponse, "unfilled"):
        ORJSONResponse.unfilled = ORJSONResponse._render
        ORJSONResponse._render = staticmethod(lambda content: fill(ORJSONResponse.unfilled(content), SENDING.get() or default()))
