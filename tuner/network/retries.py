"""Retries with tenacity for servers that are busy (429) or fail (5xx), so that a job does not fail because of one such response.

Waits 1, 2, 4 ... 60 seconds, or as long as the server asks for (Retry-After), up to `TRIES` times. The reason for each wait is reported,
and cancelling the work ends the wait.
"""

import re
import time
from collections.abc import Callable
from typing import TypeVar

import tenacity

TRIES, LONGEST = 6, 60.0  # attempts; seconds of the longest wait between two
BUSY = (408, 425, 429, 500, 502, 503, 504)
PASSING = ("ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "RemoteProtocolError", "ReadError", "WriteError")
Result = TypeVar("Result")


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error, even when a library has wrapped it (the Hub's LocalEntryNotFoundError)."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        code = getattr(getattr(error, "response", None), "status_code", None)
        if isinstance(code, int):
            return code
        error = error.__cause__ or error.__context__
    return None


def with_retries(
    work: Callable[[], Result], *, tell: Callable[[str], None] | None = None, cancelled: Callable[[], bool] | None = None
) -> Result:
    """Return the result of `work`, retried while its server is busy; its own error is raised after the last attempt.

    `tell` is called with the reason for each wait. `cancelled` may end the wait; the error is then raised.
    """
    given_up = [False]

    def sleep(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not given_up[0]:
            given_up[0] = bool(cancelled and cancelled())
            time.sleep(min(0.2, max(0.0, end - time.monotonic())))

    def report(state: tenacity.RetryCallState) -> None:
        if tell and state.next_action:
            code = status_of(state.outcome.exception())
            reason = (
                "accepts no more requests for now (429)" if code == 429 else f"reports an error ({code})" if code else "does not respond"
            )
            tell(f"The server {reason}; retrying in {max(1, round(state.next_action.sleep))} s.")

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES) | (lambda _: given_up[0]),
        wait=_wait,
        retry=tenacity.retry_if_exception(is_transient),
        sleep=sleep,
        before_sleep=report,
        reraise=True,
    )
    return retrying(work)


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed a moment later."""
    return status_of(error) in BUSY or type(error).__name__ in PASSING


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt: what the server asks for, or twice as long each time."""
    requested = _retry_after(state.outcome.exception())
    return min(LONGEST, requested if requested is not None else 2.0 ** (state.attempt_number - 1))


def _retry_after(error: BaseException | None) -> float | None:
    while error is not None and getattr(error, "response", None) is None:
        error = error.__cause__ or error.__context__
    header = error.response.headers.get("retry-after", "") if error is not None else ""
    return float(header) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", header.strip()) else None
