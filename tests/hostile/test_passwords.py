"""Guessing passwords is slow, for one address and for many; whoever knows it is not held up."""

import sys
import threading
from types import SimpleNamespace

import pytest

from tests.browser.conftest import free_port, running, status
from tests.hostile.test_origins import call
from tuner.errors import NotAllowedError
from ui import attempts
from ui.attempts import FREE, LONGEST, TOGETHER, WINDOW, Attempts, network_of
from ui.session import AppContext

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RIGHT, WRONG = b"username=tunesmith&password=open+sesame", b"username=tunesmith&password=barley"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def guesses(tries: Attempts, clock: Clock, seconds: float, address: str = "203.0.113.5") -> int:
    """How many wrong passwords one address gets in within so many seconds, trying as often as it may."""
    end, n = clock.now + seconds, 0
    while clock.now < end:
        if wait := tries.begin(address):
            clock.now += wait
        else:
            n += 1
    return n


def test_one_address_gets_few_guesses(clock):
    tries = Attempts(clock)
    assert guesses(tries, clock, 3600) <= FREE + 14  # 1, 2, 4 ... 512 s, then a quarter of an hour each
    assert tries.begin("203.0.113.5") <= LONGEST


def test_many_at_once_are_no_way_around(clock):
    tries = Attempts(clock)
    let_in = [tries.begin("203.0.113.5") for _ in range(500)]  # all before the first answer
    assert sum(wait == 0.0 for wait in let_in) == FREE


def test_many_addresses_share_one_allowance(clock):
    tries = Attempts(clock)
    let_in = [tries.begin(f"198.51.{i // 250}.{i % 250}") for i in range(2000)]
    assert sum(wait == 0.0 for wait in let_in) == TOGETHER
    clock.now += WINDOW + 1
    assert tries.begin("198.51.100.77") == 0.0
    assert len(tries.wrong) <= attempts.MOST


def test_who_knew_it_before_is_not_held_up_by_others(clock):
    tries = Attempts(clock)
    tries.begin("192.0.2.1")
    tries.succeeded("192.0.2.1")
    for i in range(500):
        tries.begin(f"198.51.100.{i % 250}")
    assert tries.begin("192.0.2.1") == 0.0 and tries.begin("192.0.2.2") > 0


def test_a_right_one_clears_what_was_wrong_before(clock):
    tries = Attempts(clock)
    for _ in range(FREE - 1):
        tries.begin("192.0.2.1")
    tries.begin("192.0.2.1")
    tries.succeeded("192.0.2.1")
    assert [tries.begin("192.0.2.1") for _ in range(FREE)] == [0.0] * FREE


def test_a_net_of_ipv6_counts_as_one():
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1" and network_of(None) == "unknown" and network_of("fe80::1%eth0")


def test_the_login_is_slow_for_guessers_and_its_cookie_is_guarded(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "tuner.cli", "app", "--host", "0.0.0.0", "--no-browser", "--port", str(port)]
    with running(tmp_path / "home", port=port, command=command, TUNESMITH_PASSWORD="open sesame") as app:
        answers, body = [], lambda data: answers.append(status(app.url + "/login", data, FORM))
        assert status(app.url + "/login", RIGHT, FORM) == 200
        threads = [threading.Thread(target=body, args=(WRONG,)) for _ in range(40)]
        [t.start() for t in threads], [t.join() for t in threads]
        assert answers.count(400) == FREE and answers.count(429) == 40 - FREE
        assert status(app.url + "/login/", WRONG, FORM) == 429  # the other spelling of the route
        code, headers = call(app.url, "POST", "/login", FORM | {"Content-Length": "0"})
        assert code == 429 and int(headers["retry-after"]) >= 1


def visitor(address: str, session: str = "s") -> SimpleNamespace:
    return SimpleNamespace(client=SimpleNamespace(host=address), session_hash=session)


def test_what_opens_a_visit_is_slow_for_guessers(tmp_path, clock):
    house = AppContext(tmp_path, guest=True, password="open sesame", tries=Attempts(clock))
    assert [house.unlock(visitor("192.0.2.9"), f"wrong {i}") for i in range(FREE)] == [False] * FREE
    with pytest.raises(NotAllowedError) as told:
        house.unlock(visitor("192.0.2.9"), "open sesame")  # right, and too soon: an answer would tell the guesser
    assert "Try again in" in str(told.value)
    clock.now += 2
    assert house.unlock(visitor("192.0.2.9"), "open sesame") and house.may_bring_own(visitor("192.0.2.9"))


def test_a_password_of_any_letters_is_compared(tmp_path):
    house = AppContext(tmp_path, guest=True, password="Zürich 🔑")
    assert house.knows("Zürich 🔑") and not house.knows("Zurich") and not house.knows("\ud800")
    assert not AppContext(tmp_path).knows("")
