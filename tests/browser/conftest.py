"""What the browser tests share lies in tests/browsing.py; its fixtures are those of all tests, so that there is one browser a process."""

from tests.browsing import CHROMIUM, FLAGS, App, end_all, free_port, running, status  # noqa: F401
