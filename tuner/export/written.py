"""How names and versions stand in the files that exports write."""

from collections.abc import Iterable
from typing import Any


def plain(name: Any) -> str:
    """Return a name as it may stand in a docstring and in Markdown."""
    return " ".join(str(name).replace("\\", " ").replace('"', " ").split())


def requirements(names: Iterable[str], versions: dict[str, str | None]) -> str:
    """Return requirements.txt: each library in the version that the run was trained with, without the part that names its build."""
    return "".join(f"{name}=={known.split('+')[0]}\n" if (known := versions.get(name)) else f"{name}\n" for name in names)
