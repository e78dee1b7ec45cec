"""Ask a server again that is busy (429) or has a fault of its own (5xx), by tenacity: a job must not end for one such answer.

Waits 1, 2, 4 ... 60 seconds, or as long as the server says (Retry-After), up to `TRIES` times; what it waits for is told, and taking the
work back ends the wait.
"""

import re
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

TRIES, LONGEST = 6, 60.0  # times that a server is asked; seconds of the longest wait between two
BUSY = (408, 425, 429, 500, 502, 503, 504)
PASSING = ("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "RemoteProtocolError", "ReadError", "WriteError")
Result = TypeVar("Result")


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status behind an error, also where a library has wrapped it (the Hub's LocalEntryNotFoundError)."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        code = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(code, int):
            return code
        error = error.__cause__ or error.__context__
    return None


def patiently(
    work: Callable[[], Result], *, tell: Callable[[str], None] | None = None, cancelled: Callable[[], bool] | None = None
) -> Result:
    """The result of `work`, asked again while its server is busy; its own error after the last try. `tell` hears why it waits, `cancelled` may
    end the wait: the error is raised then."""
    given_up = [False]

    def sleep(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not given_up[0]:
            given_up[0] = bool(cancelled and cancelled())
            time.sleep(min(0.2, max(0.0, end - time.monotonic())))

    def said(state: tenacity.RetryCallState) -> None:
        if tell and state.next_action:
            code = status_of(state.outcome.exception())
            why = "takes no more requests for now (429)" if code == 429 else f"has a fault ({code})" if code else "does not answer"
            tell(f"The server {why}; asking again in {max(1, round(state.next_action.sleep))} s.")

    asking = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES) | (lambda _: given_up[0]),
        wait=_wait,
        retry=tenacity.retry_if_exception(passing),
        sleep=sleep,
        before_sleep=said,
        reraise=True,
    )
    return asking(work)


def passing(error: BaseException) -> bool:
    """Whether the same request may be answered a moment later."""
    return status_of(error) in BUSY or type(error).__name__ in PASSING


def _wait(state: tenacity.RetryCallState) -> float:
    """Seconds until the next try: what the server asks for, else twice as long each time."""
    asked = _asked_for(state.outcome.exception())
    return min(LONGEST, asked if asked is not None else 2.0 ** (state.attempt_number - 1))


def _asked_for(error: BaseException | None) -> float | None:
    while error is not None and getattr(error, "response", None) is None:
        error = error.__cause__ or error.__context__
    said = error.response.headers.get("retry-after", "") if error is not None else ""
    return float(said) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", said.strip()) else None
