"""The words of `tests/banned_phrases.txt` stay out of what a person reads: errors, warnings, reasons, help, README and docs."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

CODE = {"engine": "tuner", "page": "ui"}


class Rule(NamedTuple):
    regex: str
    instead: str
    scope: tuple[str, ...]
    exceptions: str
    hit: str
    miss: str


def rules() -> list[Rule]:
    lines = Path(__file__).with_name("banned_phrases.txt").read_text(encoding="utf-8").splitlines()
    parts = [[part.strip() for part in re.split(r" \|(?= )", line)] for line in lines if line and not line.startswith("#")]
    return [Rule(p[0], p[1], tuple(p[2].split()), *p[3:]) for p in parts]


@cache
def sentences(top: str) -> list[tuple[str, str]]:
    """Return (place, text) of every string with two words or more in the code below a folder; docstrings are no texts of the app."""
    found = []
    for file in sorted((ROOT / top).rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip() and id(node) not in docs:
                found.append((f"{file.relative_to(ROOT)}:{node.lineno}", node.value))
    return found


@cache
def documents() -> list[tuple[str, str]]:
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [(f"{f.relative_to(ROOT)}:{n}", line) for f in files for n, line in enumerate(f.read_text(encoding="utf-8").splitlines(), 1)]


@cache
def catalogues() -> list[tuple[str, str]]:
    """The page's English, without keys and comments."""
    files = sorted((ROOT / "ui" / "locales" / "en").glob("*.ftl"))
    lines = [(f"{f.relative_to(ROOT)}:{n}", line) for f in files for n, line in enumerate(f.read_text(encoding="utf-8").splitlines(), 1)]
    return [(place, line.partition("=")[2] if "=" in line else line) for place, line in lines if not line.startswith("#")]


def texts(scope: str) -> list[tuple[str, str]]:
    """Return (place, text) of a scope; what holds for the engine's texts holds for the page's catalogue."""
    return documents() if scope == "docs" else [*sentences(CODE[scope]), *(catalogues() if scope == "engine" else [])]


def hits(rule: Rule, text: str) -> bool:
    text = re.sub(rule.exceptions, "", text, flags=re.I) if rule.exceptions else text
    return re.search(rule.regex, text, re.I) is not None


@pytest.mark.parametrize("rule", rules(), ids=lambda r: r.regex)
def test_a_banned_phrase_is_nowhere(rule):
    assert hits(rule, rule.hit) and not hits(rule, rule.miss), "each rule has an example that it finds and one that it leaves alone"
    found = [f"{place}: {text[:120]!r}" for scope in rule.scope for place, text in texts(scope) if hits(rule, text)]
    assert not found, f"say {rule.instead!r}:\n" + "\n".join(found)
