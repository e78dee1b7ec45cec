"""A request as the command that does the same in a terminal."""

import shlex
from typing import Any


def command(values: dict[str, Any], preset: str | None) -> str:
    """Return the line of `tunesmith train` for a request."""
    parts = ["tunesmith", "train", "--model", str(values.get("model")), "--data", str(values.get("data"))]
    parts += ["--preset", preset] if preset else []
    for key, value in values.items():
        if key in ("objective", "method"):
            parts += [f"--{key}", str(value)]
        elif key not in ("model", "data"):
            parts += ["-s", f"{key}={_text(value)}"]
    return shlex.join(parts)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
