"""How likely a text is in its script. Letters are ordered by frequency, the most frequent first.

Both of two decodings of the same bytes consist of valid letters; only the frequency of the letters shows which one is language.
The orders follow the usual frequency tables. For East Asian text, the first level of the standards (GB 2312, Big5, JIS X 0208:
the characters in everyday use) follows the most frequent characters.
"""

import math
from functools import lru_cache

CASED = {
    "cyrillic": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэіфїєъёґўђјљњћџ",
    "greek": "αοιετσνηυρπκμλςόίάήγδέύθχώφωβξζψϊϋΐΰ",
}
SINGLE = {
    "hebrew": "יוהלארתבשמנדקםעחפכגטזןצסךףץ",
    "arabic": "اليمنورتبةعدفسهكقحجأشصىطخزإضغثءذئظآؤپچژگ",
    "thai": "านรกอเงมยลตวด่้ทสะปบ็คัีิแหใุไพจโชขูำถซผธณ์ึืภศญษฐฎฏๆฉฮฟฬ",
}
KANA = "いのんしたてるとなにはでかをがうますこもれさらりくっよきせだけどちみあつねえおめそやじげわびべへほひぎごすばぶぼむゆろ" + (
    "ンースルトリラッイクドアレジプタマコシテフィカロサグバメデキズパニスウナチムオポワダュョャブエビケツミハノガセモボゴネペホソヘ"
)
HANGUL = (
    "이다는에을의가고은를하지로한도서사자기나시리대어아으라인있그것정수스해보일들주전부제안여과만상장원국니없면요까드오우게구조성와동"
    "신경연세선거모러트분내방중무마공개실생계유미식저비위말치각려할했된되됩습합입십네데님께터적문물용회관화월년행통학교두단소반결재영당"
    "체간발현진프명금불력심운설품질답변송밀번호확습떻열요렸었았겠좋많싶"
)
HANZI = (
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起"
    "还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声"
    "全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代产入"
    "先五太水万市眼体别处总才场师书比住员九性通目华报立活难神数件安表原车白应路叫常提何更合放做系计或司受光王果今京务制解各任至清物台"
    "请谢码密设置单哪您订货退款"
)
TRADITIONAL = "的一是不我有在人這他了中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可後麼沒發當看無開還樣從動兩長現將進實種聲話情問機給幾業間電門東聽氣關內總場師書員報數應單設請謝碼哪裡訂"
JAPANESE = "日一人年大本中出会上生前行見気時何今分事間手自方者合同場部高子下話開言思定度金円月水火木土用注文設週届忘問品約便送電様語"
SIGNS = "«»—–…“”‘’„№、。，！？：；「」『』（）・《》・～　¿¡€°"
STRANGE, LATIN, SIGN = math.log(1e-6), -3.0, math.log(0.004)


def likelihood(text: str) -> float:
    """Return the sum of ln p over the characters, to compare decodings of the same bytes."""
    table, last, total = _table(), " ", 0.0
    for c in text:
        total += LATIN if c.isascii() else _character(c, last, table)
        last = c
    return total


def _character(c: str, last: str, table: dict[str, float]) -> float:
    """Return ln p of a character. A capital within a word, or next to a letter of another script, is unlikely."""
    found = table.get(c)
    if found is None and (small := table.get(c.lower())) is not None:
        return small - (2.0 if last.isupper() or not last.isalpha() else 7.0)
    if found is None or c == "’" and not last.isalpha():  # it ends words; at the start of one, a Greek capital was misread
        return STRANGE
    return found - (3.0 if last.isascii() and last.isalpha() else 0.0)


@lru_cache(maxsize=1)
def _table() -> dict[str, float]:
    """Return ln p of each letter in a text in its script."""
    table = dict.fromkeys(SIGNS, SIGN)
    for encoding, first, last in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6), ("euc_jp", 0xB0, 0xCF)):
        table |= dict.fromkeys(_rows(encoding, first, last), math.log(0.4 / 3500))
    for letters in (*CASED.values(), *SINGLE.values(), HANGUL):
        table |= _ranked(letters, 1.0)
    table |= _ranked(KANA, 0.6)
    for letters in (HANZI, TRADITIONAL, JAPANESE):
        common = _ranked(letters, 0.6)
        table |= {c: max(p, table.get(c, p)) for c, p in common.items()}
    others = _rows("euc_kr", 0xB0, 0xC8)
    return dict.fromkeys(others, math.log(0.15 / 2350)) | table


def _ranked(letters: str, share: float) -> dict[str, float]:
    """Return ln p by rank: proportional to 1 / (rank + 4), which fits the letters of most scripts."""
    distinct = list(dict.fromkeys(letters))
    total = sum(1 / (rank + 4) for rank in range(len(distinct)))
    return {c: math.log(share / total / (rank + 4)) for rank, c in enumerate(distinct)}


def _rows(encoding: str, first: int, last: int) -> set[str]:
    """Return the characters in some rows of a double-byte character set."""
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in (*range(0x40, 0x7F), *range(0xA1, 0xFF)))
    return set("".join(pair.decode(encoding, "ignore") for pair in pairs))
