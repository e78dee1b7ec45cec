"""What the form asks for: model, dataset, preset, name, and the settings that a person chose. Everything else is Auto: the planner's.

Kept in the browser, so that a reload or another page loses nothing. A field counts as chosen once its value differs from the one shown.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from tuner.settings import presets, run_config
from ui.train_views import form

STARTER = "starter"
PRESET = "balanced"


@dataclass(frozen=True)
class Draft:
    """`chosen`: values of settings as `RunConfig` takes them, by name. `anyway`: start even if the estimate doesn't fit."""

    model: str = STARTER
    data: str | None = None
    preset: str | None = PRESET
    name: str = ""
    anyway: bool = False
    chosen: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: Any) -> Self:
        """Return the draft that a browser kept, which may be of another version or changed by hand."""
        stored = stored if isinstance(stored, dict) else {}
        texts = {k: v for k in ("model", "data", "preset", "name") if isinstance(v := stored.get(k), str)}
        chosen = stored.get("chosen") if isinstance(stored.get("chosen"), dict) else {}
        kept = {k: v for k, v in chosen.items() if k in run_config.FIELDS and k not in form.OWN and v is not None}
        return cls(**texts, anyway=stored.get("anyway") is True, chosen=kept)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def request(self) -> dict[str, Any]:
        """Return what `training.prepare` plans."""
        return {"model": self.model, "data": self.data, **self.chosen}

    def edited(self, shown: dict[str, Any], entered: Iterable[tuple[str, Any]]) -> Self:
        """Return the draft with what a person changed: `shown` are the values that were put into the fields, `entered` those they have now."""
        chosen = dict(self.chosen)
        for name, value in entered:
            if name not in shown or value == shown[name] or form.unmounted(name, value, shown[name]):
                continue  # a field that shows nothing yet was not filled in by anybody
            chosen[name] = form.read(name, value)
        return replace(self, chosen={k: v for k, v in chosen.items() if v is not None})

    def with_settings(self, settings: dict[str, Any]) -> Self:
        """Return the draft with these settings chosen, among them model and data; None makes one Auto again."""
        own = {k: v for k, v in settings.items() if k in form.OWN and v}
        chosen = self.chosen | {k: v for k, v in settings.items() if k not in form.OWN}
        return replace(self, **own, chosen={k: v for k, v in chosen.items() if v is not None})

    def reset(self, what: str, preset: presets.Preset | None = None) -> Self:
        """Return the draft with one setting Auto again, those that the preset sets ("preset"), or all ("all")."""
        dropped = {"all": set(self.chosen), "preset": set(preset.settings if preset else ())}.get(what, {what})
        return replace(self, chosen={k: v for k, v in self.chosen.items() if k not in dropped})

    def next(self, **other: Any) -> Self:
        """Return a draft for another run: the choices of the last one are not carried over, model and preset are."""
        return replace(self, **({"name": "", "anyway": False, "chosen": {}} | other))
