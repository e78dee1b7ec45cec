"""A file as plain bytes: gzip is unpacked on the way, within bounds, and the place in the file itself stays known."""

import gzip
import io
import zlib
from pathlib import Path

from tuner.data.readers.bounds import UNPACKED, refuse_ratio
from tuner.errors import DataError

GZIP = b"\x1f\x8b"


class Unpacked(io.RawIOBase):
    """The content of a gzip archive; DataError where it is damaged, or larger than `most` bytes."""

    def __init__(self, file: io.BufferedReader, name: str, most: int = UNPACKED):
        self.inner, self.name, self.left, self.most, self.packed = gzip.GzipFile(fileobj=file), name, most, most, file.raw

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.most - self.left

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Back to the beginning is all that a reader asks for."""
        if (offset, whence) not in ((0, io.SEEK_SET), (self.tell(), io.SEEK_SET), (0, io.SEEK_CUR)):
            raise io.UnsupportedOperation("an archive is read from its beginning")
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
                available="a whole archive",
                remedy="Copy or download it again, or unpack it yourself.",
            ) from error
        self.left -= len(got)
        if self.left < 0:
            raise DataError(
                f"{self.name} unpacks to more than {self.most / 1e9:g} GB.",
                asked=self.name,
                available=f"{self.most / 1e9:g} GB",
                remedy="Unpack it yourself and choose a part.",
            )
        refuse_ratio(self.name, self.packed.tell(), self.tell())
        buffer[: len(got)] = got
        return len(got)


def is_packed(path: Path) -> bool:
    with open(path, "rb") as f:
        return f.read(2) == GZIP


def binary(path: Path, name: str | None = None, size: int = 1 << 18) -> tuple[io.BufferedReader, io.FileIO]:
    """(content, file): read from the first; `tell()` of the second is how far the file has been read."""
    packed, file = is_packed(path), io.FileIO(path)
    if not packed:
        return io.BufferedReader(file, size), file
    return io.BufferedReader(Unpacked(io.BufferedReader(file, size), name or path.name), size), file


def suffix(name: str) -> str:
    """What the name says the content is: '.csv' for 'Rows.CSV.gz'."""
    return Path(name.lower().removesuffix(".gz")).suffix
