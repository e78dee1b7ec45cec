"""Slow down whoever guesses passwords: a few tries are free, then each wrong one doubles the wait, up to a quarter of an hour.

Counted per network address (an IPv6 /64 counts as one) and for all addresses together, so that many of them gain little. An
address that knew the password before is not held up by the guesses of others.
"""

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

FREE, FIRST, LONGEST = 5, 1.0, 900.0  # wrong tries without a wait; seconds of the first wait and of the longest
TOGETHER, WINDOW = 30, 60.0  # wrong tries of all addresses in so many seconds
FORGET = 3600.0  # seconds after which an address begins anew
MOST = 10_000  # addresses that are remembered


class Attempts:
    """Counts tries at one password. A try counts as wrong from its begin on, so that many at once are no way around the wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock, self.lock = clock, threading.Lock()
        self.wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address -> (wrong tries, when the last one was)
        self.recent: deque[float] = deque()
        self.known: OrderedDict[str, None] = OrderedDict()

    def begin(self, address: str | None) -> float:
        """0.0 when the password may be looked at now, which counts as a wrong try until `succeeded`; else the seconds to wait."""
        who, now = network_of(address), self.clock()
        with self.lock:
            if wait := self._wait(who, now):
                return wait
            count, _ = self._seen(who, now)
            self.wrong[who] = (count + 1, now)
            self.wrong.move_to_end(who)
            self.recent.append(now)
            while len(self.wrong) > MOST:
                self.wrong.popitem(last=False)
        return 0.0

    def succeeded(self, address: str | None) -> None:
        """The try that began last was right."""
        who = network_of(address)
        with self.lock:
            self.wrong.pop(who, None)
            if self.recent:
                self.recent.pop()
            self.known[who] = None
            self.known.move_to_end(who)
            while len(self.known) > MOST:
                self.known.popitem(last=False)

    def _seen(self, who: str, now: float) -> tuple[int, float]:
        count, last = self.wrong.get(who, (0, now))
        return (0, now) if now - last > max(FORGET, LONGEST) else (count, last)

    def _wait(self, who: str, now: float) -> float:
        count, last = self._seen(who, now)
        own = min(LONGEST, FIRST * 2 ** min(count - FREE, 30)) - (now - last) if count >= FREE else 0.0
        while self.recent and now - self.recent[0] > WINDOW:
            self.recent.popleft()
        busy = len(self.recent) >= TOGETHER and who not in self.known
        return max(0.0, own, WINDOW - (now - self.recent[0]) if busy else 0.0)


def network_of(address: str | None) -> str:
    """What counts as one guesser: an IPv4 address, an IPv6 /64 (one customer has at least that many)."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or "unknown"
    if found.version == 6 and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found if found.version == 4 else ipaddress.ip_network((found, 64), strict=False))


def told(seconds: float) -> str:
    """The sentence for a person who must wait."""
    return f"Too many wrong passwords. Try again in {max(1, round(seconds))} s."
