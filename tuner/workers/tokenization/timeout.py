"""A time limit for one batch: an untrusted template or tokenizer may loop forever on a single row."""

import contextlib
import ctypes
import threading
from collections.abc import Iterator

from tuner.errors import ModelError

SECONDS = 60.0


class TimedOut(BaseException):
    """Raised in the thread that processes the batch. A BaseException, so that no `except Exception` swallows it."""


def overdue(what: str, seconds: float) -> ModelError:
    return ModelError(
        f"{what} took more than {seconds:g} seconds: the model's chat template or tokenizer does not finish.",
        asked=what,
        available=f"batches of at most {seconds:g} seconds",
        remedy="Leave these rows out, or choose another model.",
        field="model",
    )


@contextlib.contextmanager
def limited(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Raise ModelError when the block is not done in time. This stops Python code; calls that wait in C need a timeout of their own."""
    thread, lock, done = threading.get_ident(), threading.Lock(), False

    def interrupt() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimedOut))

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                done = True
            timer.cancel()
    except TimedOut:
        raise overdue(what, seconds) from None
