"""A limit on the time of one batch: a template or a tokenizer of a stranger may loop for ever on one row and on no other."""

import contextlib
import ctypes
import threading
from collections.abc import Iterator

from tuner.errors import ModelError

SECONDS = 60.0


class Overdue(BaseException):
    """Put into the thread that works on the batch; no `except Exception` on the way may swallow it."""


def overdue(what: str, seconds: float) -> ModelError:
    return ModelError(
        f"{what} took more than {seconds:g} seconds: the model's chat template or tokenizer does not come to an end.",
        asked=what,
        available=f"batches of at most {seconds:g} seconds",
        remedy="Leave these rows out, or choose another model.",
        field="model",
    )


@contextlib.contextmanager
def limited(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """ModelError when the block is not done in time. Stops Python code; what waits in C has to bring a timeout of its own."""
    thread, lock, done = threading.get_ident(), threading.Lock(), False

    def interrupt() -> None:
        with lock:
            if not done:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Overdue))

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
    except Overdue:
        raise overdue(what, seconds) from None
