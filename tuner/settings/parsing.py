"""Read what a person asked for, from YAML, a form or `-s key=value`, into a checked `RunConfig`, with every problem at once."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tuner.errors import SettingError, TunerError, raise_all
from tuner.formatting import yaml_text
from tuner.models import custom_template
from tuner.settings.run_config import FIELDS, TEMPLATE_PROBLEM, RunConfig, available


def parse(values: dict[str, Any]) -> RunConfig:
    """Return a checked `RunConfig`; raise every problem at once (`Problems` or one `SettingError`), each with its field."""
    if not isinstance(values, dict):
        raise SettingError(
            "The settings are not a list of names and values.",
            asked=str(values)[:80],
            available="name: value, one per line",
            remedy="Write them like the files in presets/.",
            field=None,
        )
    try:
        return RunConfig(**values)
    except ValidationError as error:
        raise_all(_problems(error))
        raise


def _problems(error: ValidationError) -> list[TunerError]:
    found: dict[str, TunerError] = {}
    for e in error.errors():
        name = str(e["loc"][0]) if e["loc"] else ""
        if e["type"] == "extra_forbidden":
            found.setdefault(
                name,
                SettingError(
                    f"There is no setting called {name}.",
                    asked=name,
                    available=list(FIELDS),
                    remedy=f"Did you mean {_closest(name)}?",
                    field=name,
                ),
            )
        elif e["type"] == TEMPLATE_PROBLEM:
            found.setdefault(name, custom_template.Problem(**e["ctx"]).as_error())
        else:
            found.setdefault(
                name,
                SettingError(
                    f"{FIELDS[name].title} can't be {e['input']!r}.",
                    asked=e["input"],
                    available=available(name),
                    remedy=f"Choose {available(name)}.",
                    field=name,
                ),
            )
    return list(found.values())


def _closest(name: str) -> str:
    return next(iter(difflib.get_close_matches(name, FIELDS, 1, 0.0)), "learning_rate")


def from_pairs(pairs: list[str]) -> dict[str, Any]:
    """Return the settings of `-s key=value` arguments, with values read as YAML: {'lora_targets': ['q', 'v']}."""
    out: dict[str, Any] = {}
    problems: list[TunerError] = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            problems.append(
                SettingError(
                    f"{pair!r} is not key=value.", asked=pair, available="key=value", remedy="Write, for example, -s epochs=2.", field=key
                )
            )
            continue
        try:
            out[key.strip()] = yaml_value(text)
        except yaml.YAMLError:
            problems.append(
                SettingError(
                    f"The value of {key} can't be read: {text!r}.",
                    asked=text,
                    available=available(key.strip()),
                    remedy="Close every bracket and quote.",
                    field=key,
                )
            )
    raise_all(problems)
    return out


def yaml_value(text: str) -> Any:
    """Return the value of a YAML text; 1e-4 is a number. A chat template is no YAML: its braces would be read as lists of names and values."""
    if custom_template.is_custom(text):
        return text
    value = yaml.safe_load(text)
    if isinstance(value, str):  # YAML 1.1 reads 1e-4 as text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the settings in a YAML file, with numbers such as 1e-4 read as numbers; `SettingError` if it can't be read."""
    try:
        return read_yaml(path.read_text(encoding="utf-8"), f"The file {path.name}")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(f"The file {path.name}", error) from error


def read_yaml(text: str, name: str) -> dict[str, Any]:
    """Return the settings in a YAML text, as `load_yaml`; `name` is what errors call it."""
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise _unreadable(name, error) from error
    if not isinstance(values, dict):
        parse(values)  # raises the error
    return {str(k): yaml_value(v) if isinstance(v, str) and v[:1].isdigit() else v for k, v in values.items()}


def _unreadable(name: str, error: Exception) -> SettingError:
    return SettingError(
        f"{name} can't be read as YAML.{_where(error)}",
        asked=str(error)[:200],
        available="name: value, one per line",
        remedy="Write it like the files in presets/.",
    )


def _where(error: Exception) -> str:
    """Return where YAML can't be read, and where what isn't ended there began; "" when the parser doesn't say."""
    at, begun = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    if at is None:
        return ""
    since = f" (begun in line {begun.line + 1})" if begun and begun.line != at.line else ""
    return f" Line {at.line + 1}, column {at.column + 1}: {getattr(error, 'problem', None) or 'not understood'}{since}."


def to_yaml(values: dict[str, Any]) -> str:
    return yaml_text({k: v for k, v in values.items() if v is not None})
