"""Read several files as one dataset, one after the other, if their columns match."""

from collections.abc import Iterator
from pathlib import Path

from tuner.data.readers.reader import PEEK, Reader, Record
from tuner.errors import DataError

TABLES = ("csv", "tsv", "xlsx", "parquet")


class MultiFileReader:
    """Several readers with the interface of one `Reader`. Rows are numbered across all files; a problem names its file."""

    def __init__(self, readers: list[Reader], validation_files: int = 0):
        self.readers, self._before, self._now = readers, 0, None
        self.validation_readers = readers[len(readers) - validation_files :]  # files whose rows are all validation rows
        first = readers[0]
        self.columns = list(dict.fromkeys(c for r in readers for c in r.columns))
        for reader in readers[1:]:
            _check_columns(first, reader)
        self.name = f"{first.name} and {len(readers) - 1} more"
        self.format, self.encoding = first.format, first.encoding
        self.bytes = sum(r.bytes for r in readers)
        self.head = [record for r in readers for record in r.head[: max(1, PEEK // len(readers))]]

    @property
    def note(self) -> str:
        """How the files were read so far."""
        return " ".join([f"{len(self.readers)} files were read as one.", *(f"{r.name}: {r.note}" for r in self.readers if r.note)])

    @property
    def is_validation(self) -> bool:
        """Whether the last row that was read comes from a validation file."""
        return any(self._now is r for r in self.validation_readers)

    @property
    def position(self) -> int:
        """Bytes read so far, for a progress bar."""
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
    paths: list[Path], encoding: str | list[str | None] | None = None, names: list[str] | None = None, validation_files: int = 0
) -> Reader | MultiFileReader:
    """Open one file as a Reader, more as a MultiFileReader. The last `validation_files` files hold validation rows. `encoding`: one for all, or one per file."""
    names = names or [p.name for p in paths]
    encodings = encoding if isinstance(encoding, list) else [encoding] * len(paths)
    readers = [Reader(path, coded, name=name) for path, coded, name in zip(paths, encodings, names, strict=True)]
    return readers[0] if len(readers) == 1 else MultiFileReader(readers, validation_files)


def _check_columns(first: Reader, other: Reader) -> None:
    """Check that two files match. Tables need the same columns in any order; JSON records may lack some. DataError otherwise."""
    expected, found = set(first.columns), set(other.columns)
    tables = first.format in TABLES and other.format in TABLES
    if expected == found or not tables and expected & found:
        return
    missing, extra = sorted(expected - found), sorted(found - expected)
    differences = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"also has {', '.join(extra)}"] * bool(extra)
    raise DataError(
        f"The columns of {other.name} don't match those of {first.name}: it {' and '.join(differences)}.",
        asked=other.columns,
        available=first.columns,
        remedy="Give the columns the same names, or import the files one by one.",
    )
