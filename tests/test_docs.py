"""What is generated agrees with what it is generated from."""

from tools import docs
from tuner.settings import run_config
from ui import routes


def test_requirements_and_settings_table_are_current():
    assert (docs.ROOT / "requirements.txt").read_text() == docs.requirements()
    text = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    assert docs.readme(text) == text
    assert all(f"| `{name}` |" in text for name in run_config.FIELDS)


def test_the_tables_of_what_is_let_in_are_current():
    text = (docs.ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert docs.security(text) == text
    assert all(f"| `{r.path}` |" in text for r in routes.ROUTES) and "`run_history` | `False`" in text


def test_the_tree_in_the_readme_names_each_module():
    text = (docs.ROOT / "README.md").read_text(encoding="utf-8")
    missing = [p.name for p in (docs.ROOT / "tuner").glob("*.py") if p.name not in text and p.name != "__init__.py"]
    assert not missing, missing
