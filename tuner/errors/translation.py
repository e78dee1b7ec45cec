"""Translation of errors of libraries and of the system into TunerErrors; the only place where this happens."""

import os
from typing import Any

from tuner.errors import foreign
from tuner.errors.foreign import KNOWN, Known
from tuner.errors.kinds import DiskError, TunerError, code_of
from tuner.network.retries import status_of


def translate(error: BaseException) -> TunerError | None:
    """Return a library's error as a TunerError, or None when it is a bug in Tunesmith."""
    if isinstance(error, TunerError):
        return error
    file = getattr(error, "filename", None)
    text = _plain_text(error)
    for known in KNOWN:
        if known.tell(error, type(error).__name__, text.lower()):
            asked = file if known.kind is DiskError else text[:300]
            return _build(known, file, asked, status_of(error))
    return None


def example(code: str) -> TunerError:
    """Return the first known error with this code, for a cause of which only the code is known."""
    return _build(next(k for k in KNOWN if code_of(k.kind) == code), None, None)


def _build(known: Known, file: Any, asked: Any, status: int | None = None) -> TunerError:
    name = None if file is None else _printable(file)[-200:]
    message = known.message.format(file=name or "the workspace", document=name or "A document", status=status)
    return known.kind(message, asked=asked and _printable(asked), available=known.available, remedy=known.remedy)


def _plain_text(error: BaseException) -> str:
    """Return an error's text; some libraries raise errors that can't be printed."""
    try:
        return _printable(str(error))
    except Exception as second:
        return f"{type(error).__name__} that can't be printed ({type(second).__name__})"


def _printable(text: Any) -> str:
    """Return text that every file and terminal accepts, with lone surrogates escaped."""
    text = os.fsdecode(text) if isinstance(text, (bytes, os.PathLike)) else str(text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def disk_is_full(error: BaseException) -> bool:
    """Return whether an error of the system or of a library means that the disk is full."""
    return foreign.disk_is_full(error, type(error).__name__, _plain_text(error).lower())
