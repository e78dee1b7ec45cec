"""A file as plain bytes: gzip is unpacked on the way, within bounds, and the place in the file itself stays known."""

import errno
import gzip
import io
import os
import stat
import zlib
from pathlib import Path

from tuner.data.bounds import UNPACKED, refuse_ratio
from tuner.errors import DataError, NotFoundError, RequestError

GZIP = b"\x1f\x8b"
KINDS = (  # what a path may lead to that is no file; reading one of the last three may never end
    (stat.S_ISDIR, "a folder", "Choose a file inside it."),
    (stat.S_ISFIFO, "a pipe (FIFO)", "Write what comes out of it into a file, and choose that."),
    (stat.S_ISSOCK, "a socket", "Choose a file that holds rows."),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device", "Choose a file that holds rows."),
)
WRONG = {  # error number: (what is wrong with the path, what to do)
    errno.ENAMETOOLONG: ("The name {name} is too long for this computer: there is no such file.", "Check the path."),
    errno.ELOOP: ("{name} is a link that leads back to itself.", "Choose the file that it should lead to."),
    errno.EACCES: ("{name} may not be read: this account has no permission.", "Give yourself the permission to read it, or copy it."),
    errno.EPERM: ("{name} may not be read: this account has no permission.", "Give yourself the permission to read it, or copy it."),
}


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


def regular(path: str | Path, name: str | None = None, available: str = "a file on this computer") -> os.stat_result:
    """What the system knows of a file that can be opened, read and come to an end of, without opening it.

    NotFoundError for a path that leads nowhere, DataError for what is no file (a folder, a pipe, a device) or may not be read.
    """
    name = shown(name or Path(path).name or str(path))
    try:
        about = os.stat(path)
        readable = not stat.S_ISREG(about.st_mode) or os.access(path, os.R_OK)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null byte in the path
        raise NotFoundError(f"There is no file {name!r}.", asked=shown(path), available=available, remedy="Check the path.") from None
    except OSError as error:
        raise _unreachable(error, path, name, available) from error
    for is_that, kind, remedy in KINDS:
        if is_that(about.st_mode):
            raise DataError(f"{name} is {kind}.", asked=shown(path), available=available, remedy=remedy)
    if not readable:
        raise _unreachable(OSError(errno.EACCES, "no permission"), path, name, available)
    return about


def _unreachable(error: OSError, path: str | Path, name: str, available: str) -> DataError | RequestError:
    message, remedy = WRONG.get(error.errno, ("{name} can't be opened: {why}.", "Copy it to a disk of this computer, and choose the copy."))
    cut = name if len(name) <= 80 else f"{name[:77]}..."
    kind = NotFoundError if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else DataError
    return kind(message.format(name=cut, why=error.strerror), asked=shown(path)[:300], available=available, remedy=remedy)


def shown(name: str | Path) -> str:
    """A file's name as text that can be written anywhere: bytes of a name that are no UTF-8 become question marks."""
    return str(name).encode("utf-8", "replace").decode("utf-8")


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
