"""A chat template that a person wrote: how it is told from a name, how it is shown in short, and what can be checked without running it.

A template is only parsed here, never compiled: Jinja computes constants (`10 ** 10 ** 10`) while it compiles. It is run by
`workers/template_preview.py`, in a limited process.
"""

import difflib
import hashlib
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tuner.errors import SettingError
from tuner.models.chat_templates import TEMPLATES

LONGEST = 50_000  # characters; the longest published one has about 20,000
SHOWN = 80  # characters of a line in an error
AVAILABLE = f"{', '.join(TEMPLATES)}, or a Jinja template"
MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Problem:
    """Why a template can't be used, for a person: the parts of a `SettingError`."""

    message: str
    asked: str
    available: str
    remedy: str

    def as_error(self) -> SettingError:
        return SettingError(self.message, asked=self.asked, available=self.available, remedy=self.remedy, field="chat_template")


def is_custom(value: object) -> bool:
    """Return whether the value of the setting is a template, and not a name."""
    return isinstance(value, str) and ("{%" in value or "{{" in value)


def brief(value: object) -> object:
    """Return the value as lists and tables show it: 'custom (1,234 characters, 3f9a2c)' for a template, a name as it is. The last part tells
    templates of the same length apart."""
    if not is_custom(value):
        return value
    return f"custom ({len(value):,} characters, {hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()[:6]})"


def problem(value: str) -> Problem | None:
    """Return what is wrong with a value of the setting, as far as can be known without running it; None when nothing is."""
    if not is_custom(value):
        return None if value in TEMPLATES else _unknown(value)
    if len(value) > LONGEST:
        message = f"The chat template has {len(value):,} characters."
        return Problem(message, str(brief(value)), f"up to {LONGEST:,} characters", "Shorten it.")
    return _syntax(value)


def _unknown(name: str) -> Problem:
    near = next(iter(difflib.get_close_matches(name, TEMPLATES, 1, 0.6)), None)
    remedy = (
        f"Did you mean {near}?"
        if near
        else f"Choose {', '.join(TEMPLATES)}, or none for the model's own; a template contains {{% ... %}} or {{{{ ... }}}}."
    )
    return Problem(f"There is no chat template called {name[:SHOWN]!r}.", name[:SHOWN], AVAILABLE, remedy)


def _syntax(source: str) -> Problem | None:
    from jinja2 import TemplateSyntaxError

    try:
        _environment().parse(source)
    except TemplateSyntaxError as error:
        return wrong_line(source, error.lineno, error.message or "it can't be read")
    except RecursionError:
        return Problem("The chat template is nested too deeply.", str(brief(source)), "templates of a few levels", "Simplify it.")
    return None


def wrong_line(source: str, line: int | None, why: str) -> Problem:
    """Return the problem of an error in a line of the template; the line itself is what was asked."""
    why = why.strip().rstrip(".")
    if line is None:
        return Problem(
            f"The chat template can't be used: {why}.", str(brief(source)), "a template that writes a conversation", "Correct it."
        )
    lines = source.splitlines()
    text = lines[line - 1].strip()[:SHOWN] if 0 < line <= len(lines) else str(brief(source))
    return Problem(
        f"The chat template is wrong in line {line}: {why}.", text, "Jinja as in the chat templates of the Hub", f"Correct line {line}."
    )


@cache
def _environment():
    """Return an environment that reads what transformers reads: loop controls, and the marks of an answer (`{% generation %}`)."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser):
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])


# --- the templates of the TRL library -------------------------------------------------------------------------------------


@cache
def of_trl() -> dict[str, str | None]:
    """Return TRL's copies of well-known templates, each with its marked version or None; read without importing TRL."""
    spec = importlib.util.find_spec("trl")
    folder = Path(spec.submodule_search_locations[0]) / "chat_templates" if spec else Path()
    files = {f.stem: f.read_text(encoding="utf-8") for f in sorted(folder.glob("*.jinja"))}
    return {text: files.get(f"{name}_training") for name, text in files.items()}


def marked(template: str) -> tuple[str | None, str]:
    """Return (template with generation marks, "own" or "trl"); (None, "prefixes") when no marked one is known."""
    if MARK.search(template):
        return template, "own"
    training_version = of_trl().get(template)
    return (training_version, "trl") if training_version else (None, "prefixes")
