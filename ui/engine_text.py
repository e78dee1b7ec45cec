"""The English messages of what the engine defines: titles and help of settings, methods, objectives, presets, memory terms, states."""

from tuner import runs
from tuner.planning import memory
from tuner.settings import losses, methods, objectives, presets, run_config


def catalogue() -> str:
    """Return Fluent source: `setting-NAME.label`, `.info`; `method-NAME.label` ...; the keys are the names in lower case with hyphens."""
    lines: list[str] = []
    for name, field in run_config.FIELDS.items():
        lines += _message(f"setting-{name}", label=field.title, info=field.description)
    for group, title in run_config.GROUPS.items():
        lines += _message(f"settings-{group}", label=title)
    for m in methods.METHODS.values():
        lines += _message(f"method-{m.name}", label=m.title, changes=m.changes, good=m.good, bad=m.bad)
    for name, o in objectives.OBJECTIVES.items():
        lines += _message(f"objective-{name}", label=o.title, info=o.sentence)
    for name, loss in losses.LOSSES.items():
        lines += _message(f"loss-{name}", label=loss.title, info=loss.sentence)
    for preset in presets.listing():
        lines += _message(f"preset-{preset.name}", label=preset.title, info=preset.sentence)
    for term, label in memory.LABELS.items():
        lines += _message(f"memory-{term}", label=label)
    for state, sentence in runs.SENTENCES.items():
        lines += _message(f"state-{state}", info=sentence)
    return "\n".join(lines)


def key(kind: str, name: str) -> str:
    """Return the id of a message about something of the engine's."""
    return f"{kind}-{name}".lower().replace("_", "-")


def _message(id: str, **attributes: str) -> list[str]:
    quoted = {k: v.replace("{", '{ "{" }').replace("\n", " ") for k, v in attributes.items()}
    kind, _, name = id.partition("-")
    return [f"{key(kind, name)} =", *(f"    .{k} = {v}" for k, v in quoted.items())]
