"""Records on disk of what clients made: files, uploads and jobs, each with the key that owns it. Nobody sees a record of another key."""

import re
import secrets
import time
from collections.abc import Callable, Set
from pathlib import Path
from typing import Any

from tuner import paths
from tuner.serving.protocol import Refused

ID, START = re.compile(r"[a-z]+-[0-9a-f]{24}"), re.compile(r"[0-9a-f]{1,24}")


class Records:
    """The records of a kind, FOLDER/ID.json or FOLDER/ID/record.json (`nested`, which has room for files beside it)."""

    def __init__(self, folder: Path, prefix: str, *, nested: bool = False):
        self.folder, self.prefix, self.nested = folder, prefix, nested

    def file(self, id: str) -> Path:
        """Return where a record lies; Refused for what is no id of ours, before it becomes a path."""
        if not ID.fullmatch(id) or not id.startswith(f"{self.prefix}-"):
            raise self.missing(id)
        return self.folder / id / "record.json" if self.nested else self.folder / f"{id}.json"

    def create(self, owner: str, **values: Any) -> dict[str, Any]:
        """Write a new record and return it."""
        id = f"{self.prefix}-{secrets.token_hex(12)}"
        record = {"id": id, "owner": owner, "created_at": int(time.time()), "made": time.time(), **values}
        self.write(record)
        return record

    def write(self, record: dict[str, Any]) -> None:
        file = self.file(record["id"])
        file.parent.mkdir(parents=True, exist_ok=True)
        paths.write_json(file, record)

    def get(self, owner: str, id: str) -> dict[str, Any]:
        """Return a record of this key; Refused with 404 for any other id."""
        found = paths.read_json(self.file(id))
        if found is None or found["owner"] != owner:
            raise self.missing(id)
        return found

    def all(self, without: Set[str] = frozenset()) -> list[dict[str, Any]]:
        """Return all records of all keys, the oldest first; those with an id of `without` are not read."""
        files = (
            f
            for f in self.folder.glob("*/record.json" if self.nested else "*.json")
            if (f.parent.name if self.nested else f.stem) not in without
        )
        found = [record for file in files if (record := paths.read_json(file))]
        return sorted(found, key=lambda record: (record["made"], record["id"]))

    def beginning(self, start: str) -> list[dict[str, Any]]:
        """Return the records of all keys whose id begins so (the part after the prefix), without reading the others."""
        if self.nested or not START.fullmatch(start):
            return []
        return [record for file in self.folder.glob(f"{self.prefix}-{start}*.json") if (record := paths.read_json(file))]

    def listing(
        self, owner: str, *, after: str | None, limit: int, where: Callable[[dict], bool] = lambda record: True, oldest: bool = False
    ) -> tuple[list[dict[str, Any]], bool]:
        """Return (records of this key, the newest first unless `oldest`, from the one after `after` on; whether there are more)."""
        found = [record for record in self.all() if record["owner"] == owner and where(record)]
        return page(found if oldest else found[::-1], after, limit)

    def missing(self, id: str) -> Refused:
        names = {"file": "file", "upload": "upload", "part": "part", "ftjob": "fine-tuning job", "plan": "plan"}
        return Refused(404, f"No such {names[self.prefix]}: {id[:100]}.", param="id", code=f"{self.prefix}_not_found")


def page(items: list[dict[str, Any]], after: str | None, limit: int) -> tuple[list[dict[str, Any]], bool]:
    """Return (up to `limit` items after the one with the id `after`, whether there are more). Refused when there is no such item."""
    if after is not None:
        at = next((n for n, item in enumerate(items) if item["id"] == after), None)
        if at is None:
            raise Refused(400, f"`after` names nothing in this list: {after[:100]}.", param="after")
        items = items[at + 1 :]
    return items[:limit], len(items) > limit


def shown(items: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """Return a list as OpenAI's clients page through it."""
    ids = {"first_id": items[0]["id"] if items else None, "last_id": items[-1]["id"] if items else None}
    return {"object": "list", "data": items, "has_more": more, **ids}
