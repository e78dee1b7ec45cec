"""The one border where the errors of libraries and of the system become ours."""

import os
from typing import Any

from tuner.errors import foreign
from tuner.errors.foreign import KNOWN, Known
from tuner.errors.kinds import DiskError, TunerError, code_of
from tuner.network.retries import status_of


def translate(error: BaseException) -> TunerError | None:
    """The border: a library's error as one of ours, or None when it is a defect of our own."""
    if isinstance(error, TunerError):
        return error
    file = getattr(error, "filename", None)
    text = _plain_text(error)
    for known in KNOWN:
        if known.tell(error, type(error).__name__, text.lower()):
            asked = file if known.kind is DiskError else text[:300]
            return _worded(known, file, asked, status_of(error))
    return None


def example(code: str) -> TunerError:
    """The first error of a kind that the border knows, by its code: for a cause of which nothing but the kind is known."""
    return _worded(next(k for k in KNOWN if code_of(k.kind) == code), None, None)


def _worded(known: Known, file: Any, asked: Any, status: int | None = None) -> TunerError:
    name = None if file is None else _printable(file)[-200:]
    message = known.message.format(file=name or "the workspace", document=name or "A document", status=status)
    return known.kind(message, asked=asked and _printable(asked), available=known.available, remedy=known.remedy)


def _plain_text(error: BaseException) -> str:
    """An error's text, whatever it is made of: those of some libraries can't be printed themselves."""
    try:
        return _printable(str(error))
    except Exception as second:
        return f"{type(error).__name__} that can't be printed ({type(second).__name__})"


def _printable(text: Any) -> str:
    """Text that every file and terminal takes: lone surrogates as escapes."""
    text = os.fsdecode(text) if isinstance(text, (bytes, os.PathLike)) else str(text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def disk_is_full(error: BaseException) -> bool:
    """Whether an error of the system or of a library means that nothing more can be written."""
    return foreign.disk_is_full(error, type(error).__name__, _plain_text(error).lower())
