"""Validate card, IBAN, social security, IP and phone numbers by check digits and numbering plans."""

import ipaddress
import re

IBAN_LENGTHS = {
    code: int(length)
    for code, length in (
        pair.split(":")
        for pair in (
            "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 DE:22 DK:18 DO:28 EE:20 EG:29 ES:24 "
            "FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 "
            "LI:21 LT:20 LU:20 LV:21 MC:27 MD:24 ME:22 MK:19 MR:27 MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 QA:29 RO:24 RS:22 SA:24 "
            "SC:31 SE:24 SI:19 SK:24 SM:27 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 VA:22 VG:24 XK:20"
        ).split()
    )
}
COUNTRY = re.compile(
    r"1|7|2[07]|3[0123469]|4[013456789]|5[12345678]|6[0123456]|8[1246]|9[0123458]|2[1234569]\d|3[578]\d|42\d|5[09]\d|6[789]\d|8[058]\d|9[679]\d"
)
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
    n = digits(text)
    lengths = next((sizes for brand, sizes in BRANDS if re.match(brand, n)), ())
    return len(n) in lengths and len(set(n)) > 1 and _luhn(n)


BRANDS = (
    (r"4", (16, 19)),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),
    (r"3[47]", (15,)),
    (r"30[0-5]|3[689]", (14, 16)),
    (r"6011|64[4-9]|65|62|50|5[6-9]|63|67", (16, 17, 18, 19)),
    (r"35", (16, 17, 18, 19)),
)


def _luhn(n: str) -> bool:
    doubled = (int(c) * 2 for c in n[-2::-2])
    return (sum(d - 9 * (d > 9) for d in doubled) + sum(map(int, n[::-2]))) % 10 == 0


def iban(text: str) -> bool:
    """Return whether this is an IBAN: the length of its country and a remainder of 1 modulo 97."""
    n = re.sub(r"[ -]", "", text)
    return len(n) == IBAN_LENGTHS.get(n[:2]) and int("".join(str(int(c, 36)) for c in n[4:] + n[:4])) % 97 == 1


def ssn(text: str) -> bool:
    """Return whether this can be a US social security number: no area, group or serial that is never issued."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


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
        spaced = text.strip("+0123456789") != ""
        sum_of_numbers = re.search(r"[\d)=*/xyz] *$", before) and not called
        return bool(COUNTRY.match(n)) and 8 <= len(n) <= 15 and not n.endswith("00000") and (spaced or len(n) >= 10) and not sum_of_numbers
    if match["zeros"]:
        return bool(COUNTRY.match(n[2:])) and 10 <= len(n) <= 17
    if match["trunk"]:
        return 9 <= len(n) <= 12 and len(re.findall(r"(?<!\d)0", text)) < 3
    return called and 7 <= len(n) <= 12 if match["told"] else True
