"""Presets: YAML files that hold a title, a sentence and some settings of `RunConfig`, with a comment above each key.

Three come with the app. Your own are kept in the workspace, saved from the form or written by hand.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tuner import paths
from tuner.errors import NotFoundError, SettingError, TunerError
from tuner.formatting import yaml_text
from tuner.paths import Workspace
from tuner.settings import parsing, run_config

ORDER = ("quick", "balanced", "quality")
NOT_KEPT = ("model", "data", "device", "objective")  # a preset works with any of these


@dataclass(frozen=True)
class Preset:
    name: str
    title: str
    sentence: str
    settings: dict[str, Any]
    model: str | None = None
    data: str | None = None
    own: bool = False


def load(name: str, ws: Workspace | None = None) -> Preset:
    """Return the preset with this name, built-in or from the workspace; `NotFoundError` lists the existing ones."""
    if name in (*ORDER, "demo"):
        return _read(paths.PRESETS / f"{name}.yaml")
    if ws is not None and paths.ID.fullmatch(name) and (file := ws.presets / f"{name}.yaml").is_file():
        return _read(file, own=True)
    known = [*ORDER, *(p.stem for p in _files(ws))]
    raise NotFoundError(
        f"There is no preset called {name!r}.", asked=name, available=known, remedy=f"Choose {' or '.join(known)}.", field="preset"
    )


def listing(ws: Workspace | None = None) -> list[Preset]:
    """Return the built-in presets, then those of the workspace.

    A file that can't be read is left out and its error printed; loading it by name raises that error.
    """
    own = []
    for file in _files(ws):
        try:
            own.append(_read(file, own=True))
        except TunerError as error:
            print(f"{file}: {error}", flush=True)
    return [*(load(name) for name in ORDER), *own]


def _files(ws: Workspace | None) -> list[Path]:
    return sorted(f for f in ws.presets.glob("*.yaml") if paths.ID.fullmatch(f.stem)) if ws is not None else []


def _read(file: Path, *, own: bool = False) -> Preset:
    document = parsing.load_yaml(file)
    given = document.get("settings") or {}
    if not isinstance(given, dict):
        raise SettingError(
            f"{file.name} contains no settings.",
            asked=str(given)[:80],
            available="settings: with name: value lines below it",
            remedy="Write it like the files in presets/.",
            field="preset",
        )
    settings = {k: parsing.yaml_value(v) if isinstance(v, str) else v for k, v in given.items()}
    parsing.parse(settings)
    title, sentence = str(document.get("title") or file.stem), str(document.get("sentence") or "")
    return Preset(file.stem, title, sentence, settings, document.get("model"), document.get("data"), own)


def save(ws: Workspace, title: str, settings: dict[str, Any]) -> Preset:
    """Save the settings of the form as a preset with this title, replacing one with the same title.

    Raises SettingError for a title without letters or digits, for the title of a built-in preset, and when nothing was set.
    """
    title = " ".join(title.split())
    same = next((p.name for p in listing(ws) if p.own and p.title == title), None)  # an earlier version may have spelled its id otherwise
    name = same or paths.id_of(title, 64)
    kept = {k: v for k, v in settings.items() if k not in NOT_KEPT}
    if not name or name in (*ORDER, "demo"):
        raise SettingError(
            f"A preset can't be called {title!r}." if title else "The preset has no name.",
            asked=title,
            available="a name with letters or digits that no built-in preset has",
            remedy="Choose another name.",
            field="preset",
        )
    if not kept:
        raise SettingError(
            "Nothing was set in the form, so there is nothing to save.",
            asked="no settings",
            available="any of the settings",
            remedy="Change a setting first.",
            field="preset",
        )
    parsing.parse(kept)
    ws.presets.mkdir(parents=True, exist_ok=True)
    file = ws.presets / f"{name}.yaml"
    paths.write_text(file, as_yaml(title, kept))
    return _read(file, own=True)


def as_yaml(title: str, settings: dict[str, Any]) -> str:
    """Return the text of a preset file, with a comment above each setting."""
    lines = [_line("title", title), _line("sentence", "Saved from the form."), "settings:"]
    for name, value in settings.items():
        field = run_config.FIELDS[name]
        lines += [f"  # {field.title}: {field.description}", "  " + _line(name, value)]
    return "\n".join(lines) + "\n"


def _line(name: str, value: Any) -> str:
    if isinstance(value, str) and "\n" in value:
        return yaml_text({name: value}).removesuffix("\n").replace("\n", "\n  ")
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=1000)
    return f"{name}: {text.removesuffix(chr(10)).removesuffix('...').strip()}"


def delete(ws: Workspace, name: str) -> None:
    """Delete a preset of the workspace; `SettingError` for a built-in one."""
    if not load(name, ws).own:
        raise SettingError(
            f"{name} is a built-in preset and can't be deleted.",
            asked=name,
            available="presets of your own",
            remedy="Choose another one.",
            field="preset",
        )
    (ws.presets / f"{name}.yaml").unlink()
