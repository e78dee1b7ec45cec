"""What is generated agrees with what it is generated from."""

import pytest

from tools import architecture, docs
from tuner.settings import run_config
from ui import routes


def test_requirements_are_those_of_the_project():
    assert (docs.ROOT / "requirements.txt").read_text() == docs.requirements()


@pytest.mark.parametrize("file", docs.DOCUMENTS, ids=lambda f: f.name)
def test_generated_blocks_are_current(file):
    text = file.read_text(encoding="utf-8")
    assert docs.filled(text) == text


def test_the_tables_are_complete():
    there = {f.name: f.read_text(encoding="utf-8") for f in docs.DOCUMENTS}
    rows = [line.split("|")[1].strip() for line in there["settings.md"].splitlines() if line.startswith("| `")]
    assert rows == [f"`{name}`" for name in run_config.FIELDS]
    assert all(f"| `{r.path}` |" in there["security.md"] for r in routes.ROUTES) and "`run_history` | `False`" in there["security.md"]
    listed = [line.split()[0] for line in there["README.md"].split("<!-- tree -->")[1].splitlines() if line.strip()]
    assert [f"{room.name}/" for room in architecture.rooms()] == [name for name in listed if name.endswith("/")][
        1 : 1 + len(architecture.rooms())
    ]


def test_the_picture_shows_every_floor_and_no_import_that_runs_up():
    text = (docs.ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    assert all(f">{room.removeprefix('tuner.')}</text>" in text for floor in architecture.floors() for room in floor)
    assert text.count("<path") > 50 and "#c0392b" not in architecture.picture()


def test_every_room_and_file_says_what_it_is():
    for room in architecture.rooms():
        assert architecture.first_line(room / "__init__.py").endswith((".", "`)")), room
        assert not [f.name for f in room.glob("*.py") if not architecture.first_line(f)], room
