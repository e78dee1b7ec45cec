"""Give columns and keys with the same name different names, and note which ones were renamed."""


class DuplicateNames:
    """Duplicate names with the new names of their second occurrence, and a hook for JSON objects."""

    def __init__(self):
        self.columns: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    def pairs(self, pairs: list[tuple]) -> dict:
        """Build a JSON object, as `object_pairs_hook`: a repeated key gets a number."""
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        names = unique_names([key for key, _ in pairs], self.keys)
        return dict(zip(names, (value for _, value in pairs), strict=True))

    @property
    def note(self) -> str | None:
        """A sentence that lists the renamed columns and keys, or None."""
        columns = [f"Two columns are named {base!r}: the second was renamed to {name!r}." for base, name in self.columns.items()]
        keys = [f"The key {base!r} occurs twice in an object: the second was renamed to {name!r}." for base, name in self.keys.items()]
        sentences = [*columns[:5], *keys[:5]]
        more = len(columns) + len(keys) - len(sentences)
        return " ".join(sentences + [f"The same applies to {more} more."] * bool(more)) or None


def unique_names(header: list[str], doubled: dict[str, str] | None = None) -> list[str]:
    """Return names that are neither empty nor repeated. `doubled` collects each repeated name with the new name of the second."""
    taken: dict[str, None] = {}
    next_of: dict[str, int] = {}  # per base name: 100,000 columns of one name must not try every number from 2 on
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
    """Count the keys of a record, of its objects and of the objects in its lists; deeper keys are not counted."""
    n = len(value)
    for inner in value.values():
        if type(inner) is list:
            n += sum([len(item) for item in inner if type(item) is dict])
        elif type(inner) is dict:
            n += len(inner)
    return n
