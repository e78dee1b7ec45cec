"""Find personal data and secrets in texts, and mask them.

Each type has a pattern that finds candidates and, where the pattern alone would match too much, a check: Luhn for cards, the remainder
modulo 97 for IBANs, numbering plans for phone numbers. Every text is read by the patterns, and only candidates are seen by the checks.
Placeholders that identify nobody ("user@example.com", 192.168.x.x) don't count.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from tuner.data.quality.checksums import card, iban, iban_lengths, ip, phone, ssn


class Match(NamedTuple):
    type: str
    start: int
    end: int
    text: str

    @property
    def masked(self) -> str:
        """The match with enough left to recognize it and too little to use it: "j***@***.com"."""
        return SHOWN[self.type](self.text)


class Type(NamedTuple):
    """A type of personal data. `title` is (singular, plural); `hint` is a cheap pattern that must match before there can be `candidates`."""

    title: tuple[str, str]
    candidates: Callable[[str], Iterator[re.Match]]
    hint: re.Pattern
    check: Callable[[re.Match], bool] = lambda m: True
    secret: bool = False


EMAIL = re.compile(r"(?<![\w.+%/-])[^\W_][\w.%+-]{0,63}@((?:[A-Za-z0-9\u00a1-\uffff-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w-])")
FILES = frozenset("png jpg jpeg gif svg webp css js ts py json html md txt local localhost invalid test example".split())
ANYONE = frozenset("user username name you your yourname someone email mail test example foo".split())
KEY = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}|glpat-[A-Za-z0-9_-]{20,64}"
    r"|sk-[A-Za-z0-9_-]{20,255}|hf_[A-Za-z0-9]{30,64}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,255}|AIza[A-Za-z0-9_-]{35}|[rs]k_live_[A-Za-z0-9]{16,255}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r")(?![A-Za-z0-9_])"
    r"|-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|(?<=://)[^\s:/@]{1,64}:[^\s:/@]{3,64}(?=@)"
)
CARD = re.compile(r"(?<![\w.,-])(?:\d{14,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-]|[.,]\d)")
IP = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
SSN = re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])")
PHONE = re.compile(
    r"(?<![\w.,/#-])(?:"
    r"(?P<world>\+[1-9]\d{0,3}(?:[ .()/-]{0,3}\d){6,13})"
    r"|(?P<zeros>00[1-9]\d{0,2}[ /-](?:[ ()/-]{0,3}\d){6,12})"
    r"|(?P<america>(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-.])\d{3}[-. ]\d{4})"
    r"|(?P<trunk>\(?0[1-9]\d{0,3}\)?(?: ?[/-] ?| )\d(?:[ -]?\d){5,9})"
    r"|(?P<told>(?<=[a-zé:.] )\d(?:[ -]?\d){6,11})"
    r")(?![\w-]|[.,]\d)"
)
DIGITS, AT, COUNTRY = re.compile(r"\d(?:[ .()/-]{0,3}\d){6}"), re.compile("@"), re.compile(r"[A-Z]{2}\d\d[ -]?[A-Z0-9]")
KEY_HINT = re.compile(r"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|sk-|hf_|xox[abeprs]-|AIza|k_live_|eyJ|PRIVATE KEY|://")


@cache
def _iban() -> re.Pattern:
    """Return the pattern of all countries' IBANs, each of its own length, so that a word after one isn't taken for its end."""
    countries = "|".join(rf"{code}\d\d(?:[ -]?[A-Z0-9]){{{n - 4}}}" for code, n in iban_lengths().items())
    return re.compile(rf"(?<![A-Za-z0-9])(?:{countries})(?![A-Za-z0-9])")


def _real_mail(match: re.Match) -> bool:
    domain, name = match[1].lower(), match[0].partition("@")[0].lower()
    return domain.rpartition(".")[2] not in FILES and name != "git" and not ("example." in domain and name in ANYONE)


def _real_key(match: re.Match) -> bool:
    text = match[0]
    if text.startswith("sk-"):  # "sk-learn-and-many-other-words" is not a key
        return any(c.isdigit() for c in text) and bool(re.search(r"[A-Za-z0-9]{16}", text))
    return text not in ("user:pass", "user:password", "username:password")


TYPES = {
    "key": Type(("a key or password", "keys or passwords"), KEY.finditer, KEY_HINT, _real_key, secret=True),
    "email": Type(("an email address", "email addresses"), EMAIL.finditer, AT, _real_mail),
    "iban": Type(
        ("a bank account number (IBAN)", "bank account numbers (IBAN)"),
        lambda text: _iban().finditer(text),
        COUNTRY,
        lambda m: iban(m[0]),
        secret=True,
    ),
    "card": Type(("a card number", "card numbers"), CARD.finditer, DIGITS, lambda m: card(m[0]), secret=True),
    "ssn": Type(("a social security number", "social security numbers"), SSN.finditer, DIGITS, lambda m: ssn(m[0]), secret=True),
    "phone": Type(("a phone number", "phone numbers"), PHONE.finditer, DIGITS, phone),
    "ip": Type(("an IP address", "IP addresses"), IP.finditer, re.compile(r"\d\.\d"), ip),
}
MASKS = {key: f"[{key}]" for key in TYPES}
SHOWN = {
    "key": lambda t: "-----BEGIN *** KEY-----" if t.startswith("-----") else f"{t[:4]}***",
    "email": lambda t: f"{t[0]}***@***.{t.rpartition('.')[2]}",
    "iban": lambda t: f"{t[:2]}** **** {t[-2:]}",
    "card": lambda t: f"**** {t[-4:]}",
    "ssn": lambda t: "***-**-****",
    "phone": lambda t: f"{t[:3]}*** {t[-2:]}",
    "ip": lambda t: f"{t.partition('.')[0]}.*.*.*",
}


def find(text: str, types: Iterable[str] | None = None) -> list[Match]:
    """Return all matches of these types (None: all types) in text order; overlapping matches go to the first type in TYPES."""
    found: list[Match] = []
    for key, type in TYPES.items():
        if not type.hint.search(text):
            continue
        for match in type.candidates(text):
            start, end = match.span()
            if type.check(match) and not any(start < m.end and m.start < end for m in found):
                found.append(Match(key, start, end, match[0]))
    wanted = TYPES if types is None else set(types)
    return sorted((m for m in found if m.type in wanted), key=lambda m: m.start)


def mask(text: str, types: Iterable[str] | None = None) -> str:
    """Replace each match by the name of its type: "Write to [email]."."""
    for match in reversed(find(text, types)):
        text = text[: match.start] + MASKS[match.type] + text[match.end :]
    return text
