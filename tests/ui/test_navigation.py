"""Page addresses on the server: only the pages' own paths are answered as the page."""

import pytest

from ui import layout, navigation


def asked(path: str, method: str = "GET") -> str:
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["path"])

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode()}
    with pytest.raises(StopIteration):  # it waits for nothing, so it needs no event loop (a browser test in this process has one)
        navigation.PageAddresses(app)(scope, None, None).send(None)
    return seen[0]


@pytest.mark.parametrize("page", [p.path for p in navigation.PAGES.values() if p.path])
def test_a_pages_address_is_answered_with_the_page(page):
    assert asked(f"/{page}") == asked(f"/{page}/") == "/"


@pytest.mark.parametrize("path", ["/trains", "/train/x", "/config", "/gradio_api/run/train", "/%74rain", "//data//x", "/Train"])
def test_other_paths_stay_as_they_are(path):
    assert asked(path) == path


def test_nothing_is_posted_to_a_page():
    assert asked("/train", "POST") == "/train"


def test_each_page_has_its_view_and_its_address():
    assert list(layout.KINDS) == list(navigation.PAGES)
    assert len({p.path for p in navigation.PAGES.values()}) == len(navigation.PAGES)
