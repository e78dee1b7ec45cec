"""Many questions at once: the serving worker batches them, which is several times as fast as one after another."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

AT_ONCE = 16  # questions
LOOKS = 0.5  # seconds between two looks at whether it was cancelled
T, R = TypeVar("T"), TypeVar("R")


def completed(
    work: Callable[[T], R], items: Iterable[T], *, cancelled: Callable[[], bool], at_once: int = AT_ONCE
) -> Iterator[tuple[T, R]]:
    """Yield (item, work(item)) as each is done, `at_once` of them under way. Ends early when `cancelled()`; what is under way is not waited for.

    An error of `work` is raised here. Closing the iterator cancels what has not begun.
    """
    waiting, rest = {}, iter(items)
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="asking")
    try:
        while True:
            fresh: dict[Future, T] = {pool.submit(work, item): item for item in islice(rest, at_once - len(waiting))}
            waiting |= fresh
            if not waiting:
                return
            done, _ = wait(waiting, timeout=LOOKS, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
            if cancelled():
                return
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
