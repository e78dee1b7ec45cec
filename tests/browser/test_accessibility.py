"""Every page with axe-core, as the browser draws it: no serious finding, empty and filled, light and dark, wide and on a phone."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import end_all, running
from tests.browser.test_journey import LONG
from tests.browsing import here
from tests.labels.test_queue import candidate
from tuner.labels import pairs, projects
from tuner.paths import Workspace
from ui import navigation

SERIOUS = ("serious", "critical")
# axe can't see what these stand on, or they are Gradio's own and not ours to change: each with its reason
NOT_OURS = {
    "scrollable-region-focusable": ".table-wrap, .virtual-table-viewport, .cm-scroller",  # Gradio's tables and code boxes, which have cells to focus
}


@pytest.fixture(scope="module")
def apps(tmp_path_factory, house):
    """The app with nothing in it, and over two finished runs and a label project."""
    place, found = tmp_path_factory.mktemp("accessible"), {}
    shutil.copytree(house.ws.home, place / "filled")
    ws = Workspace(place / "filled", machine=place / "filled" / "machine").prepare()
    pairs.add_pairs(ws, projects.create(ws, "Sums").id, [candidate(n) for n in range(3)])
    with running(place / "empty") as empty, running(place / "filled") as filled:
        found |= {"empty": empty, "filled": filled}
        yield found, house
    end_all(place)


def findings(page, where: str) -> list[str]:
    """Return the serious findings of what is open."""
    out = []
    for rule in Axe().run(page).response["violations"]:
        nodes = [n for n in rule["nodes"] if not ours_not(page, rule["id"], n["target"])]
        if rule["impact"] in SERIOUS and nodes:
            out += [
                f"{where}: {rule['id']} ({rule['help']}): {n['target']} {n['html'][:150]} {n['failureSummary'][:200]}" for n in nodes[:4]
            ]
    return out


def ours_not(page, rule: str, target: list) -> bool:
    away = NOT_OURS.get(rule)
    return bool(away) and page.locator(str(target[0])).first.evaluate("(node, away) => node.matches(away)", away)


def places(name: str, address, state: str, house) -> list[str]:
    """The addresses of a page: with nothing chosen, and with an object."""
    if name == "runs" and state == "filled":
        return ["runs", f"runs?run={house.lora}", f"runs?run={house.lora},{house.full}"]
    return [address.path]


@pytest.mark.parametrize(
    ("state", "scheme", "width"),
    [
        ("filled", "light", 1440),
        pytest.param("filled", "dark", 390, marks=pytest.mark.long),
        pytest.param("filled", "dark", 1440, marks=pytest.mark.long),
        pytest.param("empty", "light", 1440, marks=pytest.mark.long),
    ],
)
def test_no_serious_finding(apps, browser, state, scheme, width):
    found, house = apps
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page, left = context.new_page(), []
    for name, address in navigation.PAGES.items():
        for place in places(name, address, state, house):
            page.goto(f"{found[state].url}/{place}")
            expect(here(page)).to_have_attribute("data-page", name, timeout=LONG)
            page.wait_for_timeout(1200)
            inner = (
                page.locator("#steps [data-step], #run-tabs > .tab-wrapper [role=tab], #label-inner > .tab-wrapper [role=tab]")
                .locator("visible=true")
                .all()
            )
            for tab in inner or [None]:
                if tab:
                    tab.click()
                    page.wait_for_timeout(400)
                left += findings(page, f"{place or 'home'} {tab.inner_text() if tab else ''}")
    context.close()
    assert not left, "\n".join(sorted(set(left)))
