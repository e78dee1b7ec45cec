"""What is asked of every stranger's file before it is read, be it data or a model: a regular file, of bounded depth, with a name to show."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

from tuner.errors import DataError, NotFoundError, RequestError

DEPTH = 100  # lists and objects in one another; a conversation with tool calls has eight, a config.json five
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


def too_deep(value: Any, most: int = DEPTH) -> bool:
    """Whether lists and objects stand more than `most` deep in one another; without recursion, which is what they break."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list:
    within = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [inner for inner in within if isinstance(inner, (dict, list, tuple))]
