"""Errors of the serving worker: OpenAI's shape, with asked / available / remedy beside the message."""

import traceback
from typing import Any

from tuner.errors import RequestError, translate


def problem(error: BaseException) -> dict[str, Any]:
    """Return the error document; an error that nobody foresaw goes whole to the log."""
    known = translate(error)
    if known is None:
        traceback.print_exception(error)
        message = f"{type(error).__name__}: {str(error)[:300]}"
        return {"message": message, "type": "server_error", "param": None, "code": "defect", "remedy": "See the serving log for details."}
    kind = "invalid_request_error" if isinstance(known, RequestError) else "server_error"
    return {"type": kind, "param": known.field} | known.as_dict()


def status(error: BaseException) -> int:
    """Return the HTTP status of an error."""
    known = translate(error)
    return 500 if known is None else 400 if isinstance(known, RequestError) else 503
