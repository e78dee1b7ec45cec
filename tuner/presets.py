"""Presets: how much effort, as YAML files that hold a title, a sentence and some settings of `RunConfig`."""

from dataclasses import dataclass
from typing import Any

from tuner import config, paths
from tuner.errors import NotFoundError

ORDER = ("quick", "balanced", "quality")


@dataclass(frozen=True)
class Preset:
    name: str
    title: str
    sentence: str
    settings: dict[str, Any]
    model: str | None = None
    data: str | None = None


def load(name: str) -> Preset:
    """The preset of that name; `NotFoundError` says which there are."""
    if name not in (*ORDER, "demo"):
        raise NotFoundError(
            f"There is no preset called {name!r}.",
            asked=name,
            available=list(ORDER),
            remedy="Choose quick, balanced or quality.",
            field="preset",
        )
    document = config.load_yaml(paths.PRESETS / f"{name}.yaml")
    settings = {k: config.yaml_value(v) if isinstance(v, str) else v for k, v in document["settings"].items()}
    config.parse(settings)
    return Preset(name, document["title"], document["sentence"], settings, document.get("model"), document.get("data"))


def listing() -> list[Preset]:
    return [load(name) for name in ORDER]
