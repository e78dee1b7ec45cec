"""How large the grid of a workbook is, told before the workbook is opened: calamine keeps a cell for every place from the first to the last.

What a sheet says of itself (`<dimension>`) is not believed: the references of its rows and cells are looked through, as the XML streams by.
OpenDocument files need none of this, calamine counts what their repeated cells make; the old binary formats end at the limits of the process.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tuner.data import bounds
from tuner.errors import DataError
from tuner.launch import limits

BLOCK, OVERLAP = 1 << 20, 1024
REFERENCE = re.compile(  # of a cell with something in it: empty ones that are only coloured (`<c r="A1" s="2"/>`) take no place
    rb'<(?:\w{1,20}:)?c\b[^<>]{0,400}?\sr\s*=\s*["\']([A-Za-z]{1,9})([0-9]{1,19})["\'][^<>]{0,400}(?<!/)>'
)
REMEDY = "Delete what stands far away from the table, or save the sheet as CSV (UTF-8) and choose that file."


def refuse(path: Path, name: str, most: int = bounds.WORKBOOK) -> None:
    """DataError for a workbook (a zip archive) that unpacks to too much, or whose cells span more than can be held."""
    if not zipfile.is_zipfile(path):
        return  # the old binary format: 65,536 rows of 256 cells at most
    try:
        with zipfile.ZipFile(path) as archive:
            _refuse_size(archive, path.stat().st_size, name, most)
            for entry in archive.infolist():
                if re.match(r"/?xl/worksheets/[^/]+\.xml$", entry.filename, re.IGNORECASE):
                    _refuse_span(archive, entry, name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zipfile.zlib.error) as error:
        raise DataError(
            f"{name} can't be read as a workbook: {str(error)[:200] or 'its archive is damaged'}",
            asked=name,
            available="workbooks of Excel or LibreOffice, without a password",
            remedy="Save the sheet as CSV (UTF-8) and choose that file.",
        ) from error


def _refuse_size(archive: zipfile.ZipFile, packed: int, name: str, most: int) -> None:
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    if size > most or len(entries) > bounds.ENTRIES:
        what = f"unpacks to {size / 1e9:.1f} GB" if size > most else f"holds {len(entries):,} files"
        raise DataError(
            f"{name} {what}; at most {most / 1e9:g} GB in {bounds.ENTRIES:,} files are read.",
            asked=size,
            available=most,
            remedy="Save the sheet as CSV (UTF-8) and choose that file.",
        )
    bounds.refuse_ratio(name, packed, size)


def _refuse_span(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> None:
    rows = columns = 0
    for letters, digits in _references(archive, entry):
        rows, columns = max(rows, int(digits)), max(columns, _column(letters))
        if rows * columns > bounds.CELLS or columns > bounds.COLUMNS:
            raise DataError(
                f"{name} has a cell at {letters.decode().upper()}{digits.decode()}: its sheet spans {rows:,} rows and {columns:,} columns, "
                f"more than the {bounds.CELLS:,} cells that are read.",
                asked=f"{rows:,} x {columns:,}",
                available=f"up to {bounds.CELLS:,} cells and {bounds.COLUMNS:,} columns, counted from A1",
                remedy=REMEDY,
            )


def _references(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[tuple[bytes, bytes]]:
    """(letters, digits) of the cells that may be the farthest: of each block of XML that in the last row, and one of each column."""
    rest = b""
    with archive.open(entry) as stream:
        while block := stream.read(BLOCK):
            limits.alive()
            text = rest + block
            found = dict.fromkeys(REFERENCE.findall(text))
            if found:
                yield max(found, key=lambda cell: int(cell[1]))
                yield from {letters: (letters, digits) for letters, digits in found}.values()
            rest = text[-OVERLAP:]


def _column(letters: bytes) -> int:
    """The number of a column: A is 1, XFD is 16,384."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
