"""Personal data and secrets: what is one is found and masked, and ordinary numbers stay."""

import pytest

from tests.data.identifiers import FORMER, IBANS, INTERNATIONAL, LOCAL, LOOKALIKES
from tuner.data.quality import checksums, pii

FOUND = {
    "email": ["j.doe@mail.com", "Jürgen@firma.de", "a+b@x.co.uk", "jane.doe@example.com"],
    "phone": [
        *("+49 30 1234567", "+49 (0)30 123-4567", "+1 555 123 4567", "+14155552671", "+33 6 12 34 56 78", "+91 98765 43210"),
        *("(555) 123-4567", "555-123-4567", "1-800-555-1234", "0049 30 1234567", "030 1234567", "0171-2345678", "06 12 34 56 78"),
        *("020 7946 0958", "415.555.2671"),
    ],
    "card": ["4111 1111 1111 1111", "4111111111111111", "5500-0000-0000-0004", "378282246310005", "3782 822463 10005"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "FR1420041010050500013M02606", "AT61 1904 3002 3457 3201"],
    "ip": ["84.17.52.90", "203.0.113.42"],
    "ssn": ["123-45-6789"],
    "key": [
        *("AKIAIOSFODNN7EXAMPLE", "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "sk-abcdefghijklmnopqrstuvwxyz123456"),
        *("sk-proj-abc123DEF456ghi789JKL012", "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "xoxb-123456789012-abcdefghijkl"),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    ],
}
ORDINARY = [
    *(
        "2024-01-05 10:30:00",
        "09/12/2024 10:30",
        "01-02-2024 to 03-04-2024",
        "2024/10/12 08:15",
        "the years 2020 2021 2022 2023",
        "1990-2000",
    ),
    *("order 1002003004005", "order 4111-2222-3333-4445", "Invoice 2023-0012345", "tracking 1Z999AA10123456784", "serial 12-3456-7890"),
    *(
        "ISBN 978-3-16-148410-0",
        "ISBN 0-306-40615-2",
        "ISBN-10: 3-16-148410-X",
        "EAN 4006381333931",
        "UPC 012345678905",
        "1234567890123456",
    ),
    *(
        "version 1.2.3.4",
        "v10.15.7.1",
        "Chrome/120.0.6099.129",
        "section 4.5.60.70",
        "Python 3.11.4",
        "127.0.0.1",
        "192.168.1.17",
        "10.0.0.1",
    ),
    *(
        "$1,234,567.89",
        "1 234 567 890 euros",
        "10 000 000 000",
        "+1,000,000",
        "population 331002651",
        "GPS 52.5200, 13.4050",
        "-33.8688, 151.2093",
    ),
    *("3 + 4915112345678 = 4915112345681", "x=+12345678", "3.14159265358979", "1.6180339887498948482", "2^31 = 2147483648", "f(x)=2x+3"),
    *("01 02 03 04 05 06", "[1 2 3 4 5 6 7 8 9 10]", "1/2 3/4 5/6 7/8", "12:30:45.123456", "pages 100-200, 300-400", "ports 8080-8090"),
    *("icon@2x.png", "git@github.com:me/x.git", "user@example.com", "@user on twitter", "a @ b", "@app.route"),
    *("sk-learn-something-with-long-words", "the task-force", "hf_hub_download_file_from_the_hub", "eyJ is a start", "https://a.b/c"),
    *("DOI 10.1000/182.1234", "arXiv:2301.12345", "CVE-2021-44228", "123e4567-e89b-12d3-a456-426614174000", "unix 1700000000"),
    *(
        "GB2312 encoding",
        "DE12 was late",
        "DE89 3704 0044 0532 0130 01",
        "call 911",
        "call me in 2024",
        "Room 555",
        "+5 degrees, +10 points",
    ),
]


@pytest.mark.parametrize(("type", "text"), [(type, text) for type, texts in FOUND.items() for text in texts])
def test_it_is_found_masked_and_shown_masked(type, text):
    whole = f"Here it is: {text}, as you asked."
    (match,) = pii.find(whole)
    assert (match.type, match.text) == (type, text)
    assert pii.mask(whole) == f"Here it is: [{type}], as you asked."
    assert text not in match.masked and "*" in match.masked and len(match.masked) < 30
    assert pii.mask(whole, [t for t in pii.TYPES if t != type]) == whole or type == "card"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_numbers_are_left_alone(text):
    for whole in (text, f"It is {text}.", f"({text})"):
        assert pii.find(whole) == [] and pii.mask(whole) == whole


@pytest.mark.parametrize(("type", "texts"), [("phone", INTERNATIONAL), ("phone", FORMER), ("iban", IBANS)], ids=["phone", "former", "iban"])
def test_numbers_of_many_countries_are_found_whole(type, texts):
    found = {text: [(m.type, m.text) for m in pii.find(f"Here it is: {text}, as you asked.")] for text in texts}
    assert found == {text: [(type, text)] for text in texts}


def test_the_rules_find_what_the_docstring_says():
    """Without a country code some are missed, and four of the others are taken for one: told here, so that a change is seen."""

    def phones(texts):
        return {text for text in texts if any(m.type == "phone" for m in pii.find(f"Here it is: {text}, as you asked."))}

    assert set(LOCAL) - phones(LOCAL) == {"089/2180-0", "01 514 44 0", "415 555 2671 as Tel"}
    assert phones(LOOKALIKES) == {"0102 2024 0304", "UTC+02 2024 10 12 08", "+0530 2024-10-12", "DNA +1 12345 67890 12345"}


def test_a_digit_changed_is_no_iban_and_a_word_after_one_is_not_its_end():
    for text in IBANS:
        wrong = text[:-1] + str((int(text[-1], 36) + 1) % 10)
        assert not checksums.iban(wrong) and checksums.iban(text), text
        (match,) = pii.find(f"{text} DEUTDEFF")
        assert (match.type, match.text) == ("iban", text)
    assert not checksums.iban("ES" + "0" * 22) and not checksums.iban("GB82 1234 1234 5698 7654 32")  # no letters of a bank
    assert {text[:2] for text in IBANS} <= set(checksums.iban_lengths())


def test_examples_and_numbers_never_issued_are_no_social_security_numbers():
    assert checksums.ssn("123-45-6789")
    assert not any(map(checksums.ssn, ("078-05-1120", "219-09-9999", "666-45-6789", "900-45-6789", "123-00-6789", "123-45-0000")))


def test_examples_shown():
    shown = {m.type: m.masked for m in pii.find("j.doe@mail.com, 4111 1111 1111 1111, +49 30 1234567 and AKIAIOSFODNN7EXAMPLE")}
    assert shown == {"email": "j***@***.com", "card": "**** 1111", "phone": "+49*** 67", "key": "AKIA***"}


def test_several_in_one_text_and_twice_masked_is_once_masked():
    text = "Mail j@x.com or k@y.org, call me at 5551234567, pay to DE89370400440532013000. postgres://me:hunter22@db.host/x"
    masked = pii.mask(text)
    assert masked == "Mail [email] or [email], call me at [phone], pay to [iban]. postgres://[key]@db.host/x"
    assert pii.mask(masked) == masked and pii.mask(text, ["iban"]).count("[") == 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text", ["eyJ", "DE12", "+49 ", "a.", "1 ", "a@", "://a:", "0", "(0", "-----BEGIN PRIVATE KEY-----", "AKIA", "1-", "sk-", "a@a."]
)
def test_no_text_takes_long(text):
    masked = pii.mask(text * 50_000 + "@")
    assert masked.endswith(("@", "[key]")) and pii.mask(masked) == masked
