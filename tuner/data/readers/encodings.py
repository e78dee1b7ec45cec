"""Detect the encoding of a text that is not UTF-8 from a sample of its lines.

For scripts other than Latin, charset-normalizer lists the candidates and the one with the most common letters is chosen, because
its own order is often wrong for a few short rows. For Latin alphabets its choice is random ("zmienić" and "Öffnen" consist of the
same bytes), so the letters are compared with the alphabets of the languages that an encoding was made for.
"""

import re
import unicodedata
from functools import lru_cache

from tuner.data.readers.alphabets import likelihood

SAMPLE, LONGEST = 1 << 16, 8000  # bytes to examine, and bytes of one piece
PIECE = re.compile(rb'[^\r\n",]*[\x80-\xff][^\r\n",]*')
SCRIPTS = (
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5"),
    *("cp1253", "iso8859_7", "cp1255", "cp1256", "iso8859_6", "cp874"),
)
WEST = (
    *("äöüß", "àâçéèêëîïôœùûü", "áéíñóúüªº", "áâãàçéêíóôõúü", "àèéìíîòóù", "éëïöüèóáêç", "åäöéü", "æøåéòô", "àçèéíïòóúü·", "áéíóúâôêîŵŷ"),
    "éèëäöüêâîôûç",
)
LATIN = {  # encoding -> the non-ASCII letters of each language it was made for; the first encoding wins a tie
    "cp1252": WEST,
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţșț", "ëç"),
    "cp1254": ("çğıöşüâîûİ",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}
LATIN = {**LATIN, "iso8859_2": LATIN["cp1250"]}
ICELANDIC = "áéíóúýðþæö"  # Turkish read as cp1252 also gives ð, þ and ý: only for texts with nothing else against it
SIGNS = re.compile(r"(?<=[^\W\d_])[^\w\s!-~’‘ʼ·«»“”„–—…]|[^\w\s!-~‘“„«»¿¡–—…§€£©°•½¼](?=[^\W\d_])|[¹²³¼½¾](?=[^\W\d_])|[\x80-\x9f]")
ESCAPES = (b"\x1b$B", b"\x1b$@")  # escape sequences of ISO-2022-JP, whose bytes are all ASCII


def sampled(kept: list[bytes], block: bytes, first: bool = True, last: bool = True) -> list[bytes]:
    """Add the non-ASCII pieces of one more block to `kept`, one piece per cell; thin it out evenly when it exceeds the sample size.

    Pieces end at a line end, a quote or a comma, whose bytes are never part of a longer character. Pieces cut by the block are dropped.
    """
    pieces = PIECE.findall(block)
    pieces = pieces[not first : len(pieces) - (not last)] if len(pieces) > 2 else pieces
    kept = kept + [piece[:LONGEST] for piece in pieces[:: max(1, sum(map(len, pieces)) // SAMPLE)]]
    while len(kept) > 1 and sum(map(len, kept)) > SAMPLE:
        kept = kept[::2]
    return kept


def detect(pieces: list[bytes]) -> str | None:
    """Return the encoding of these texts; None if they are Western European, or unknown."""
    whole = [piece for piece in pieces if len(piece) < LONGEST] or pieces
    return _other_script(b"\n".join(whole)) or _latin(whole)


def _other_script(data: bytes) -> str | None:
    """Return the most likely encoding in which the text is in a non-Latin script, in whole words; None if there is none."""
    from charset_normalizer import from_bytes

    found = [(m.encoding, str(m)) for m in from_bytes(data, cp_isolation=list(SCRIPTS), threshold=0.6)]
    likely = [(likelihood(text), encoding) for encoding, text in found if _whole(text)]
    return max(likely, key=lambda pair: pair[0])[1] if likely else None


def _whole(text: str) -> bool:
    """Return whether most non-ASCII letters are not Latin and most of those don't touch Latin letters: "Цffnen" is a wrong guess."""
    letters = [i for i, c in enumerate(text) if not c.isascii() and c.isalpha()]
    other = [i for i in letters if not _is_latin(text[i])]
    glued = sum(_is_latin(c) for i in other for c in (text[i - 1 : i], text[i + 1 : i + 2]) if c.isalpha())
    return len(other) > 0.8 * len(letters) and glued < 0.2 * len(other)


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


def _latin(pieces: list[bytes]) -> str | None:
    """Return a Latin encoding that explains the letters far better than the Western one, or None."""
    groups = [b"\n".join(pieces[i : i + 4]) for i in range(0, len(pieces), 4)]  # in groups of four: rows may be in several languages
    costs = {encoding: sum(_cost(group, encoding) for group in groups) for encoding in LATIN}
    best = min(costs, key=costs.get)
    return best if costs[best] < 0.5 * costs["cp1252"] else None


def _cost(piece: bytes, encoding: str) -> float:
    """Return how much in a text contradicts an encoding: signs within words, and letters that its most likely language lacks."""
    text = piece.decode(encoding, "replace")
    foreign = [c for c in text if not c.isascii() and c.isalpha()]
    alphabets = [sum(c not in letters and c.lower() not in letters for c in foreign) for letters in LATIN[encoding]]
    if encoding == "cp1252":
        alphabets.append(sum(0.05 if c.lower() in ICELANDIC else 1 for c in foreign))
    return min(alphabets) + text.count("\ufffd") + len(SIGNS.findall(text))
