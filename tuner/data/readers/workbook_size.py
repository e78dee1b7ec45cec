"""Measure the grid of a workbook before opening it, because calamine allocates every cell from the first to the last.

The `<dimension>` of a sheet is not trusted: the cell references are scanned while the XML streams by. OpenDocument files don't need
this, because calamine counts their repeated cells; the limits of the process apply to the old binary formats.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.data.readers import bounds
from tuner.errors import DataError
from tuner.system import limits

BLOCK, OVERLAP = 1 << 20, 1024
REFERENCE = re.compile(  # reference of a non-empty cell: cells with only a style (`<c r="A1" s="2"/>`) take no place
    rb'<(?:\w{1,20}:)?c\b[^<>]{0,400}?\sr\s*=\s*["\']([A-Za-z]{1,9})([0-9]{1,19})["\'][^<>]{0,400}(?<!/)>'
)
REMEDY = "Delete cells far away from the table, or save the sheet as CSV (UTF-8) and choose that file."


CELL, BYTE, AROUND = 32, 20, 1 << 29  # bytes of memory per cell of the grid, per byte of XML, and for everything else
OLD = 2 * 65_536 * 256  # cells in two full sheets of the old binary formats


@dataclass(frozen=True)
class Size:
    """The size of a workbook: decompressed bytes, and cells in its grid as far as known."""

    unpacked: int
    cells: int
    repeats: bool = False  # OpenDocument, in which one cell may be repeated a million times

    @property
    def memory(self) -> int:
        """Bytes of memory that are enough to open a legitimate workbook of this size."""
        return AROUND + CELL * self.cells + BYTE * self.unpacked


def measure(path: Path, name: str, most: int = bounds.WORKBOOK) -> Size:
    """Return the size of a workbook. DataError if it decompresses to too much, or if its cells span too large a grid."""
    if not zipfile.is_zipfile(path):
        return Size(path.stat().st_size, OLD)
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = _refuse_size(archive, path.stat().st_size, name, most)
            sheets = [e for e in archive.infolist() if re.match(r"/?xl/worksheets/[^/]+\.xml$", e.filename, re.IGNORECASE)]
            cells = max((_span(archive, entry, name) for entry in sheets), default=bounds.CELLS)
            return Size(unpacked, cells, "content.xml" in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, zipfile.zlib.error) as error:
        raise DataError(
            f"{name} can't be read as a workbook: {str(error)[:200] or 'its archive is damaged'}",
            asked=name,
            available="Excel or LibreOffice workbooks without a password",
            remedy="Save the sheet as CSV (UTF-8) and choose that file.",
        ) from error


def _refuse_size(archive: zipfile.ZipFile, packed: int, name: str, most: int) -> int:
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
    return size


def _span(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> int:
    """Return the number of cells from A1 to the last row and column of one sheet."""
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
    return rows * columns


def refuse_repeats(name: str, size: Size, cells: int) -> None:
    """Raise DataError for an OpenDocument sheet that consists mostly of repeated cells."""
    if size.repeats and cells > bounds.REPEATED and cells > size.unpacked:
        raise DataError(
            f"{name} repeats its cells: {size.unpacked:,} bytes stand for {cells:,} cells.",
            asked=cells,
            available=f"up to {bounds.REPEATED:,} repeated cells",
            remedy=REMEDY,
        )


def _references(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[tuple[bytes, bytes]]:
    """Yield (letters, digits) of the cells that may be farthest away: for each block of XML, the one in the last row and one per column."""
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
    """Return the number of a column: A is 1, XFD is 16,384."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
