"""Several files that are one dataset: read one after the other, when their columns agree."""

from collections.abc import Iterator
from pathlib import Path

from tuner.data.readers.reader import PEEK, Reader, Record
from tuner.errors import DataError

TABLES = ("csv", "tsv", "xlsx", "parquet")


class Several:
    """The same face as a `Reader`; rows are counted through, and what is wrong with one names its file."""

    def __init__(self, readers: list[Reader], tests: int = 0):
        self.readers, self._before, self._now = readers, 0, None
        self.tests = readers[len(readers) - tests :]  # files whose rows are all held out
        first = readers[0]
        self.columns = list(dict.fromkeys(c for r in readers for c in r.columns))
        for reader in readers[1:]:
            _agree(first, reader)
        self.name = f"{first.name} and {len(readers) - 1} more"
        self.format, self.encoding = first.format, first.encoding
        self.bytes = sum(r.bytes for r in readers)
        self.head = [record for r in readers for record in r.head[: max(1, PEEK // len(readers))]]

    @property
    def note(self) -> str:
        """How the files were read, as far as they have been."""
        return " ".join([f"{len(self.readers)} files were read as one.", *(f"{r.name}: {r.note}" for r in self.readers if r.note)])

    @property
    def testing(self) -> bool:
        """Whether the row that was read last is from a file to test with."""
        return any(self._now is r for r in self.tests)

    @property
    def position(self) -> int:
        return self._before + (self._now.position if self._now else 0)

    def __iter__(self) -> Iterator[Record]:
        self._before, row = 0, 0
        for reader in self.readers:
            self._now = reader
            for record in reader:
                row += 1
                if record.value is None:
                    record = record._replace(problem=f"{reader.name}, row {record.row}: {record.problem}")
                yield record._replace(row=row)
            self._before, self._now = self._before + reader.bytes, None


def open_all(
    paths: list[Path], encoding: str | list[str | None] | None = None, names: list[str] | None = None, tests: int = 0
) -> Reader | Several:
    """A Reader for one file, Several for more; the rows of the last `tests` files are to test with. `encoding`: of all, or of each."""
    names = names or [p.name for p in paths]
    encodings = encoding if isinstance(encoding, list) else [encoding] * len(paths)
    readers = [Reader(path, coded, name=name) for path, coded, name in zip(paths, encodings, names, strict=True)]
    return readers[0] if len(readers) == 1 else Several(readers, tests)


def _agree(first: Reader, other: Reader) -> None:
    """Tables need the same columns in any order; records of JSON may lack some."""
    a, b = set(first.columns), set(other.columns)
    tables = first.format in TABLES and other.format in TABLES
    if a == b or not tables and a & b:
        return
    lacks, more = sorted(a - b), sorted(b - a)
    said = [f"lacks {', '.join(lacks)}"] * bool(lacks) + [f"has {', '.join(more)} beside them"] * bool(more)
    raise DataError(
        f"The columns of {other.name} are not those of {first.name}: it {' and '.join(said)}.",
        asked=other.columns,
        available=first.columns,
        remedy="Give the columns the same names, or add the files one by one.",
    )
