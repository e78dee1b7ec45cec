"""Columns and keys of one name: each gets a name of its own, and the reader says which."""


class Doubles:
    """Names that stood twice, and what the further ones are called now; a hook for JSON objects."""

    def __init__(self):
        self.columns: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    def pairs(self, pairs: list[tuple]) -> dict:
        """An object of JSON, for `object_pairs_hook`: a key that stands there again is numbered."""
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        names = named([key for key, _ in pairs], self.keys)
        return dict(zip(names, (value for _, value in pairs), strict=True))

    @property
    def note(self) -> str | None:
        """Which names stood twice, for a person."""
        columns = [f"Two columns are named {base!r}: the second is called {name!r} here." for base, name in self.columns.items()]
        keys = [f"The key {base!r} stands twice in an object: the second is called {name!r} here." for base, name in self.keys.items()]
        said = [*columns[:5], *keys[:5]]
        more = len(columns) + len(keys) - len(said)
        return " ".join(said + [f"So it is with {more} more."] * bool(more)) or None


def named(header: list[str], doubled: dict[str, str] | None = None) -> list[str]:
    """Names of columns or keys that are neither empty nor doubled; `doubled` is told which were, and the new name of the second."""
    taken: dict[str, None] = {}
    next_of: dict[str, int] = {}  # by base: 100,000 columns of one name must not try each number from 2 on
    for i, cell in enumerate(header, 1):
        base = name = cell.strip("\ufeff \t\r\n") or f"column {i}"
        n = next_of.get(base, 2)
        while name in taken:
            name, n = f"{base} {n}", n + 1
        if name != base and doubled is not None and len(doubled) < 1000:
            doubled.setdefault(base, name)
        taken[name], next_of[base] = None, n
    return list(taken)


def counted(value: dict) -> int:
    """The keys of a record, of the objects in it and of those in its lists; deeper ones are not counted."""
    n = len(value)
    for inner in value.values():
        if type(inner) is list:
            n += sum([len(item) for item in inner if type(item) is dict])
        elif type(inner) is dict:
            n += len(inner)
    return n
