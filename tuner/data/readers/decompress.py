"""Open a file as plain bytes. Gzip is decompressed on the fly, within bounds, and the position in the file stays known."""

import gzip
import io
import zlib
from pathlib import Path

from tuner.data.readers.bounds import UNPACKED, refuse_ratio
from tuner.errors import DataError

GZIP = b"\x1f\x8b"


class Unpacked(io.RawIOBase):
    """The content of a gzip archive; DataError if it is damaged, or larger than `most` bytes."""

    def __init__(self, file: io.BufferedReader, name: str, most: int = UNPACKED):
        self.inner, self.name, self.left, self.most, self.packed = gzip.GzipFile(fileobj=file), name, most, most, file.raw

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.most - self.left

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek to the beginning or stay at the current position; readers need nothing else."""
        if (offset, whence) not in ((0, io.SEEK_SET), (self.tell(), io.SEEK_SET), (0, io.SEEK_CUR)):
            raise io.UnsupportedOperation("an archive can only be read from its beginning")
        if whence == io.SEEK_SET and offset == 0:
            self.inner.seek(0)
            self.left = self.most
        return self.tell()

    def readinto(self, buffer) -> int:
        try:
            got = self.inner.read1(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.name} is a damaged gzip archive: {error}.",
                asked=self.name,
                available="a complete archive",
                remedy="Copy or download it again, or decompress it yourself.",
            ) from error
        self.left -= len(got)
        if self.left < 0:
            raise DataError(
                f"{self.name} unpacks to more than {self.most / 1e9:g} GB.",
                asked=self.name,
                available=f"{self.most / 1e9:g} GB",
                remedy="Decompress it yourself and choose a part.",
            )
        refuse_ratio(self.name, self.packed.tell(), self.tell())
        buffer[: len(got)] = got
        return len(got)


def is_packed(path: Path) -> bool:
    """Return whether the file is gzipped."""
    with open(path, "rb") as f:
        return f.read(2) == GZIP


def binary(path: Path, name: str | None = None, size: int = 1 << 18) -> tuple[io.BufferedReader, io.FileIO]:
    """Return (content, file): read from the first; `tell()` of the second is the position in the file."""
    packed, file = is_packed(path), io.FileIO(path)
    if not packed:
        return io.BufferedReader(file, size), file
    return io.BufferedReader(Unpacked(io.BufferedReader(file, size), name or path.name), size), file


def suffix(name: str) -> str:
    """Return the extension that names the content: '.csv' for 'Rows.CSV.gz'."""
    return Path(name.lower().removesuffix(".gz")).suffix
