"""A dataset version on disk: dataset.json and its fields."""

from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from tuner import paths
from tuner.data.schema.column_aliases import KINDS


@dataclass(frozen=True)
class Dataset:
    """A version of a dataset. `rows` counts usable rows, `records` all records read; `health` holds empty, duplicates, characters."""

    id: str
    version: int
    name: str
    kind: str
    format: str
    mapping: dict
    reason: str
    questions: list
    rows: int
    held_out: int
    records: int
    problem_count: int
    problems: list
    notes: list
    columns: list
    source_name: str
    sha256: str
    bytes: int
    created: str
    health: dict
    sample: bool = False
    share: float = 0.05
    seed: int = 0  # of the split
    system: str = ""  # prompt added before each conversation
    sources: list = field(default_factory=list)
    mix: list = field(default_factory=list)
    made_by: list = field(default_factory=list)  # how this version was made from another one
    encoding: str = ""  # of the text as it was read; empty for Parquet and workbooks
    folder: Path | None = field(default=None, compare=False)

    @property
    def ref(self) -> str:
        return f"{self.id}@{self.version}"

    @property
    def path(self) -> Path:
        return self.folder


def versions(root: Path) -> list[int]:
    """Return the version numbers in a dataset's folder, ascending."""
    folder = root / "versions"
    try:
        return sorted(int(f.name) for f in folder.iterdir() if f.name.isdecimal() and (f / "dataset.json").is_file())
    except OSError:
        return []


def load(folder: Path) -> Dataset | None:
    """Return the version in a folder; None when it is damaged: one bad folder must not hide the others."""
    try:
        document = paths.read_json(folder / "dataset.json") or {}
        known = {f.name for f in fields(Dataset)} - {"folder"}
        found = Dataset(**{k: v for k, v in document.items() if k in known}, folder=folder)
        return found if (folder / "rows.parquet").is_file() and found.kind in KINDS else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def as_dict(ds: Dataset) -> dict:
    """Return the document of `tunesmith data add` and `show`."""
    return {"dataset": ds.id, "ref": ds.ref} | {k: v for k, v in asdict(replace(ds, folder=None)).items() if k != "folder"}
