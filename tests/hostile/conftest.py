"""The real app and the real browser, as the browser tests have them."""

from tests.browser.conftest import app, browser, pytest_runtest_makereport  # noqa: F401
