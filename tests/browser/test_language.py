"""The page in other languages: in the pseudo-locale no string is left that stands in no catalogue, and in German long words fit."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import here
from tuner import runs
from tuner.paths import Workspace
from ui import navigation, text

# what a person reads on the open page, but for what data, models and people wrote (translate=no) and the engine's English (lang=en)
READ = """() => {
  const out = [], away = "[translate=no], [lang=en]:not(html), script, style, code, pre, .cm-editor, td, [role=gridcell], option, [role=option], .example, .examples";
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const at = node.parentElement;
    if (at && !at.closest(away) && at.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) out.push(node.textContent);
  }
  document.querySelectorAll("input, textarea, button, a, [aria-label]").forEach(at => {
    if (at.closest(away) || !at.checkVisibility({checkVisibilityCSS: true})) return;
    for (const name of ["placeholder", "aria-label"]) if (at.getAttribute(name)) out.push(at.getAttribute(name));
  });
  return out;
}"""
OURS = ("Tunesmith", "whole", "tuned", "sums", *text.LANGUAGES.values())
FIGURE = re.compile(r"[\d.,–%×=+\s-]+(bytes?|kB|MB|GB|TB|K|M|B|Wh|sec|min|hrs?|days?|ms)?")
# Gradio's own words, which follow the browser's language: its upload area, tables, sliders and code boxes
GRADIOS = re.compile(
    r"Drop File Here|- or -|Click to Upload|Drop|Upload|Search|Filter|Copy|Download|Clear|Reset|Remove|Toggle|Close|Open|Expand|Scroll|"
    r"Submit|Stop|Undo|Retry|Edit|Like|Dislike|Delete|number input for|range slider for|Chatbot|chat|Fullscreen|Sort|Previous|Next|Select|"
    r"Empty value|Table actions|Click to upload|Checkbox|column|row|cell|Loading|processing"
)


def untranslated(page, names=()) -> list[str]:
    left = []
    for said in page.evaluate(READ):
        rest, before = said, None
        while rest != before:  # texts within texts
            before, rest = rest, re.sub(r"⟦[^⟦⟧]*⟧", " ", rest)
        rest = re.sub(r"^[^⟦⟧]*⟧|⟦[^⟦⟧]*$", " ", rest)  # a message around a name that is set apart
        rest = re.sub(r"JSONL|CSV|[\d.,]+ (bytes|kB|MB|GB)", " ", rest)
        for own in (*names, *OURS):
            rest = rest.replace(own, " ")
        rest = rest.strip(" ,·")
        if re.search(r"[^\W\d_]{2,}", rest) and not FIGURE.fullmatch(rest.strip()) and not GRADIOS.search(rest):
            left.append(said.strip()[:120])
    return sorted(set(left))


@pytest.fixture(scope="module")
def app(request, tmp_path_factory):
    """The app with nothing in it, and over a copy of a workspace with two finished runs."""
    place = tmp_path_factory.mktemp("languages")
    if request.param == "filled":
        shutil.copytree(request.getfixturevalue("house").ws.home, place / "home")
    Workspace(place / "home", machine=place / "home" / "machine").prepare()
    with running(place / "home") as app:
        yield app
    end_all(place)


def opened(browser, app, language: str, width: int):
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_cookies([{"name": text.COOKIE, "value": language, "url": app.url}])
    return context.new_page()


@pytest.mark.parametrize("app", [pytest.param("empty", marks=pytest.mark.long), "filled"], indirect=True)
def test_no_string_of_a_page_is_forgotten(app, browser):
    page = opened(browser, app, text.PSEUDO, 1440)
    found, names = {}, [run.name for run in runs.listing(Workspace(app.home, machine=app.home / "machine"))]
    for name, address in navigation.PAGES.items():
        page.goto(f"{app.url}/{address.path}")
        expect(here(page)).to_contain_text("⟦", timeout=LONG)
        page.wait_for_timeout(1500)
        for step in page.locator("#steps [data-step]").all() if name == "train" else [None]:
            if step:
                step.click()
            found |= {name: sorted({*found.get(name, []), *untranslated(page, names)})}
    page.context.close()
    left = [f"{name}: {said}" for name, all_said in found.items() for said in all_said]
    assert not left, "in no catalogue:\n" + "\n".join(left)


@pytest.mark.parametrize("app", [pytest.param("empty", marks=pytest.mark.long), "filled"], indirect=True)
@pytest.mark.parametrize("language", ["de", pytest.param(text.PSEUDO, marks=pytest.mark.long)])
def test_long_words_fit_on_a_phone(app, browser, language):
    page = opened(browser, app, language, 390)
    for name, address in navigation.PAGES.items():
        page.goto(f"{app.url}/{address.path}")
        expect(page.locator("#tabs > .tabitem").locator("visible=true").first).to_contain_text(re.compile(r"\w"), timeout=LONG)
        page.wait_for_timeout(800)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        assert page.evaluate("document.documentElement.lang") == language
    page.context.close()
