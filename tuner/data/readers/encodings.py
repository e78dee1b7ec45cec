"""Which encoding a text has that is not UTF-8, judged by a sample of its lines.

Which other scripts than Latin are possible is charset-normalizer's to say; of these the one with the commonest letters is taken, because
on a few short rows its own order is often wrong. Among Latin alphabets it guesses by chance ("zmienić" and "Öffnen" are made of the
same bytes), so there the letters are held against the alphabets of the languages that an encoding was made for.
"""

import re
import unicodedata
from functools import lru_cache

from tuner.data.readers.alphabets import likelihood

SAMPLE, LONGEST = 1 << 16, 8000  # bytes that are judged, and those of one piece
PIECE = re.compile(rb'[^\r\n",]*[\x80-\xff][^\r\n",]*')
SCRIPTS = (
    *("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5"),
    *("cp1253", "iso8859_7", "cp1255", "cp1256", "iso8859_6", "cp874"),
)
WEST = (
    *("äöüß", "àâçéèêëîïôœùûü", "áéíñóúüªº", "áâãàçéêíóôõúü", "àèéìíîòóù", "éëïöüèóáêç", "åäöéü", "æøåéòô", "àçèéíïòóúü·", "áéíóúâôêîŵŷ"),
    "éèëäöüêâîôûç",
)
LATIN = {  # encoding: the letters beyond ASCII of each language it was made for; the first encoding wins a tie
    "cp1252": WEST,
    "cp1250": ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "čćđšž", "ăâîşţșț", "ëç"),
    "cp1254": ("çğıöşüâîûİ",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}
LATIN = {**LATIN, "iso8859_2": LATIN["cp1250"]}
ICELANDIC = "áéíóúýðþæö"  # shares ð, þ and ý with Turkish read as cp1252: only a text with nothing else against it
SIGNS = re.compile(r"(?<=[^\W\d_])[^\w\s!-~’‘ʼ·«»“”„–—…]|[^\w\s!-~‘“„«»¿¡–—…§€£©°•½¼](?=[^\W\d_])|[¹²³¼½¾](?=[^\W\d_])|[\x80-\x9f]")
ESCAPES = (b"\x1b$B", b"\x1b$@")  # of ISO-2022-JP, whose bytes are all ASCII


def sampled(kept: list[bytes], block: bytes, first: bool = True, last: bool = True) -> list[bytes]:
    """`kept` with what one more block holds beyond ASCII, a piece a cell; thinned out evenly where it grows beyond the sample.

    Pieces end at a line end, a quote or a comma, whose bytes are part of no longer character; those that the block cuts are left out.
    """
    pieces = PIECE.findall(block)
    pieces = pieces[not first : len(pieces) - (not last)] if len(pieces) > 2 else pieces
    kept = kept + [piece[:LONGEST] for piece in pieces[:: max(1, sum(map(len, pieces)) // SAMPLE)]]
    while len(kept) > 1 and sum(map(len, kept)) > SAMPLE:
        kept = kept[::2]
    return kept


def detect(pieces: list[bytes]) -> str | None:
    """The encoding of these texts; None where they are Western European, or nothing that is known."""
    whole = [piece for piece in pieces if len(piece) < LONGEST] or pieces
    return _other_script(b"\n".join(whole)) or _latin(whole)


def _other_script(data: bytes) -> str | None:
    """The encoding in which the text is of another script than Latin, in whole words of its commoner letters."""
    from charset_normalizer import from_bytes

    found = [(m.encoding, str(m)) for m in from_bytes(data, cp_isolation=list(SCRIPTS), threshold=0.6)]
    likely = [(likelihood(text), encoding) for encoding, text in found if _whole(text)]
    return max(likely, key=lambda pair: pair[0])[1] if likely else None


def _whole(text: str) -> bool:
    """Most letters beyond ASCII are not Latin, and most of them stand among their like: "Цffnen" is a wrong guess."""
    letters = [i for i, c in enumerate(text) if not c.isascii() and c.isalpha()]
    other = [i for i in letters if not _is_latin(text[i])]
    glued = sum(_is_latin(c) for i in other for c in (text[i - 1 : i], text[i + 1 : i + 2]) if c.isalpha())
    return len(other) > 0.8 * len(letters) and glued < 0.2 * len(other)


@lru_cache(maxsize=4096)
def _is_latin(letter: str) -> bool:
    return letter.isascii() or unicodedata.name(letter, "").startswith("LATIN")


def _latin(pieces: list[bytes]) -> str | None:
    """A Latin encoding that explains the letters better than the Western one does by far."""
    groups = [b"\n".join(pieces[i : i + 4]) for i in range(0, len(pieces), 4)]  # a few at once: rows may be of several languages
    costs = {encoding: sum(_cost(group, encoding) for group in groups) for encoding in LATIN}
    best = min(costs, key=costs.get)
    return best if costs[best] < 0.5 * costs["cp1252"] else None


def _cost(piece: bytes, encoding: str) -> float:
    """How much in a text speaks against an encoding: signs within words, and letters that its likeliest language lacks."""
    text = piece.decode(encoding, "replace")
    foreign = [c for c in text if not c.isascii() and c.isalpha()]
    alphabets = [sum(c not in letters and c.lower() not in letters for c in foreign) for letters in LATIN[encoding]]
    if encoding == "cp1252":
        alphabets.append(sum(0.05 if c.lower() in ICELANDIC else 1 for c in foreign))
    return min(alphabets) + text.count("\ufffd") + len(SIGNS.findall(text))
