"""Validate card, IBAN, social security, IP and phone numbers by check digits and numbering plans.

Check digits, IBAN formats and the rules of US social security numbers are python-stdnum's, numbering plans are those of phonenumbers
(Google's libphonenumber; phonenumberslite is the same without its maps). Both are imported at the first candidate: they take 60 ms, and most
texts have none. A check takes 15 us for a card, 60 us for an IBAN, 45 us for a phone number. Ours, measured on tests/data/identifiers.py:

- Brands and lengths of cards, which python-stdnum has not.
- Numbers by a country's former plan (`FORMER`), which phonenumbers calls too long or too short, in some of its releases or in all, and of
  which older texts are full.
- Phone numbers without a country code. Of 48 such candidates and 18 others these rules find 46 and 3, at 18 us each. `is_possible_number`
  of ten likely countries takes all 66 for phone numbers, `is_valid_number` 48 and 13, at 490 us; that of the United States alone finds 5
  of the 48, as "(555) 123-4567" is nobody's.

With a country code the length must be right for the country; only what looks like another kind of number must be valid as well. To demand
it of all would miss what regulators keep for fiction ("+1 555 123 4567", "+44 7700 900123"). Against the rules that this replaced: of 165
numbers with a country code 6 were missed (5 of them were put in the list for that), now none is; of the list of 105 others 22 were taken for
a phone number, now 4 are. What must be valid was chosen by that list. Of 2,700 sums, coordinates, lists and article numbers made by chance
afterwards, all in the form of a phone number, 85 % were taken for one and now 36 %: a length that fits is still common.
"""

import ipaddress
import re
from functools import cache
from itertools import product
from string import ascii_uppercase

FORMER = re.compile(r"521\d{10}|225\d{8}|229\d{8}")  # until 2019 in Mexico (mobile), 2021 in Ivory Coast, 2024 in Benin
GROUPS = 6  # of digits in a phone number: "+33 6 12 34 56 78"; with more it is more likely a list of numbers
CALLED = re.compile(
    r"(?:phone|mobile|cell|tel|telephone|call|fax|whatsapp|sms|telefon|handy|tél|téléphone|teléfono|móvil)\b[^\d\n]{0,20}$", re.I
)
BUILDS = re.compile(r"(?:version|release|section|chapter|build|firmware|driver|v|§)\W{0,3}$", re.I)
NOBODYS = [
    ipaddress.IPv4Network(net)
    for net in "0.0.0.0/8 10.0.0.0/8 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/3 8.8.8.8 8.8.4.4 1.1.1.1".split()
]
HOSTS = re.compile(r"(?:\bip\b|address|host|server|client|router|from|ping)[^\n]{0,12}$", re.I)
DAY = re.compile(r"\(?\d{1,2}[ ./-]\d{1,2}[ ./-](?:19|20)\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2}")


def digits(text: str) -> str:
    """Return only the digits of a text."""
    return re.sub(r"\D", "", text)


def card(text: str) -> bool:
    """Return whether this is a card number: 14 to 19 digits of a known brand with a valid check digit (Luhn)."""
    from stdnum import luhn

    n = digits(text)
    lengths = next((sizes for brand, sizes in BRANDS if re.match(brand, n)), ())
    return len(n) in lengths and len(set(n)) > 1 and luhn.is_valid(n)


BRANDS = (
    (r"4", (16, 19)),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    (r"3[47]", (15,)),
    (r"30[0-5]|3[689]", (14, 16)),
    (r"6011|64[4-9]|65|62|50|5[6-9]|63|67", (16, 17, 18, 19)),
    (r"35", (16, 17, 18, 19)),
)


@cache
def iban_lengths() -> dict[str, int]:
    """Return {country: characters of its IBANs}, by the SWIFT registry in python-stdnum ("DE": 22)."""
    from stdnum import numdb

    registry = numdb.get("iban")
    formats = {code: registry.info(code)[0][1].get("bban") for code in map("".join, product(ascii_uppercase, repeat=2))}
    return {code: 4 + sum(map(int, re.findall(r"(\d+)!", bban))) for code, bban in formats.items() if bban}


def iban(text: str) -> bool:
    """Return whether this is an IBAN: the format of its country, a remainder of 1 modulo 97, and the country's own check digits."""
    from stdnum import iban

    return iban.is_valid(text)


def ssn(text: str) -> bool:
    """Return whether this can be a US social security number: no part that is never issued, and none of the known examples."""
    from stdnum.us import ssn

    return ssn.is_valid(text)


def ip(match: re.Match) -> bool:
    """Return whether a match is a public IP address and no version number: two parts are above 31, or the words before it name a host."""
    before = match.string[max(0, match.start() - 24) : match.start()]
    try:
        address = ipaddress.IPv4Address(match[0])
    except ValueError:
        return False
    if any(address in net for net in NOBODYS) or BUILDS.search(before):
        return False
    return sum(int(part) > 31 for part in match[0].split(".")) >= 2 or bool(HOSTS.search(before))


def phone(match: re.Match) -> bool:
    """Return whether a match of `pii.PHONE` is a phone number, by the format it was found in."""
    text, n = match[0], digits(match[0])
    before = match.string[max(0, match.start() - 40) : match.start()]
    called = bool(CALLED.search(before))
    if DAY.match(text) or len(set(n)) < 3 or (match["zeros"] or match["trunk"]) and re.search(r"\d[ -]?$", before):
        return False
    if match["world"]:
        sum_of_numbers = re.search(r"[\d)=*/xyz] *$", before) and not called
        return not sum_of_numbers and _international(text, n)
    if match["zeros"]:
        return _international(text, n[2:])
    if match["trunk"]:
        return 9 <= len(n) <= 12 and len(re.findall(r"(?<!\d)0", text)) < 3
    return called and 7 <= len(n) <= 12 if match["told"] else True


def _international(text: str, n: str) -> bool:
    """Return whether digits that begin with a country code are a phone number: possible, or valid where the text looks like another one.

    That is: a round number ("+12 000 000 000"), a short one or one without spaces ("+12345678"), and a list ("+2 4 6 8 10 12 14").
    """
    from phonenumbers import NumberParseException, ValidationResult, is_possible_number_with_reason, is_valid_number, parse

    try:
        number = parse("+" + n)
    except NumberParseException:  # no such country
        return False
    if is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return bool(FORMER.fullmatch(n))
    groups = re.findall(r"\d+", text)
    doubtful = n.endswith("00000") or len(n) < (10 if len(groups) == 1 else 8) or len(groups) > GROUPS
    return not doubtful or is_valid_number(number)
