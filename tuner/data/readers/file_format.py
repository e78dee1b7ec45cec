"""Detect the format and encoding of a file from its content. The extension only decides what the content leaves open."""

import codecs
import csv
import io
import re
import zipfile
from pathlib import Path

from tuner.data.readers import header_row
from tuner.data.readers.bounds import FIELD
from tuner.data.readers.decompress import binary
from tuner.data.readers.encodings import ESCAPES, detect, sampled
from tuner.data.readers.json_stream import decode
from tuner.errors import DataError, SettingError
from tuner.system import limits

HEAD = 1 << 16
BLOCK = 1 << 20
MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an audio, video or WebP file"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"Rar!", "a RAR archive"),
    (b"ARROW1", "an Arrow (Feather) file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"GGUF", "a GGUF model"),
    (b"OggS", "an audio file"),
    (b"ID3", "an audio file"),
    (b"fLaC", "an audio file"),
)
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
READABLE = "CSV, TSV, JSON, JSONL, Parquet, Excel, TXT and Markdown, gzipped or not"
ENCODINGS = {  # Python's name -> the name that users know
    "cp1251": "Windows Cyrillic",
    "koi8_r": "KOI8-R, Russian",
    "koi8_u": "KOI8-U, Ukrainian",
    "cp866": "DOS Cyrillic",
    "iso8859_5": "ISO-8859-5, Cyrillic",
    "cp932": "Shift-JIS, Japanese",
    "euc_jp": "EUC-JP, Japanese",
    "iso2022_jp": "ISO-2022-JP, Japanese",
    "gb18030": "GB18030 or GBK, simplified Chinese",
    "big5": "Big5, traditional Chinese",
    "cp949": "EUC-KR, Korean",
    "cp1250": "Windows Central European",
    "iso8859_2": "ISO-8859-2, Central European",
    "cp1253": "Windows Greek",
    "iso8859_7": "ISO-8859-7, Greek",
    "cp1254": "Windows Turkish",
    "cp1255": "Windows Hebrew",
    "cp1256": "Windows Arabic",
    "iso8859_6": "ISO-8859-6, Arabic",
    "cp1257": "Windows Baltic",
    "cp874": "Windows Thai",
}
OLD_OFFICE = b"\xd0\xcf\x11\xe0"
JSON_START = re.compile(r'\s*(\{\s*["}]|\[\s*[\[{"\]])')
SUFFIXES = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "text",
    ".md": "text",
    ".markdown": "text",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".xls": "xlsx",
    ".xlsb": "xlsx",
    ".ods": "xlsx",
}


def refuse_binary(path: Path, head: bytes, name: str) -> None:
    """Raise a DataError that says what the file seems to be, if it is not text."""
    if kind := _binary(path, head):
        remedy = "Unpack it and choose the file inside." if "archive" in kind else f"Choose a file that holds rows of text: {READABLE}."
        raise DataError(f"{name} does not hold text: it seems to be {kind}.", asked=name, available=READABLE, remedy=remedy)


def _binary(path: Path, head: bytes) -> str | None:
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zipped(path)
    if any(head.startswith(bom) for bom, _ in BOMS):
        return None
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "a Python pickle (opening it could run code, so it is never opened)"
    if head[8:10] == b'{"' and 0 < int.from_bytes(head[:8], "little") < 1 << 30:
        return "a safetensors file (the weights of a model)"
    for magic, kind in MAGIC:  # two or three letters prove nothing if text follows
        if head.startswith(magic) and (len(magic) > 3 or _controls(head[:1024])):
            return kind
    return "a binary file" if _controls(head) and not wide(head) else None


def is_workbook(path: Path, head: bytes) -> bool:
    """Return whether the file is an Excel or OpenDocument workbook."""
    return head.startswith(OLD_OFFICE) or head[:4] == b"PK\x03\x04" and _zipped(path) in WORKBOOKS


def _controls(head: bytes) -> bool:
    """Return whether there are more control bytes than any text has."""
    count = sum(byte < 32 and byte not in b"\t\n\r\f\x1b\x1a" for byte in head)
    return count > max(2, len(head) // 200)


WORKBOOKS = ("an Excel workbook", "an OpenDocument file")


def _zipped(path: Path) -> str:
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):  # raised by `zipfile` for malicious archives
        return "a damaged zip archive"
    marks = (
        ("xl/", "an Excel workbook"),
        ("word/", "a Word document"),
        ("ppt/", "a PowerPoint document"),
        ("content.xml", "an OpenDocument file"),
    )
    return next(
        (kind for mark, kind in marks if any(n.startswith(mark) for n in names)),
        "a PyTorch checkpoint (a pickle)" if any(n.endswith("data.pkl") for n in names) else "a zip archive",
    )


def wide(head: bytes) -> str | None:
    """Return the encoding of UTF-16 without a byte order mark (every second byte of plain Latin text is zero), or None."""
    pairs = len(head) // 2
    if pairs < 4:
        return None
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if head[start::2].count(0) > 0.4 * pairs and head[1 - start :: 2].count(0) < 0.05 * pairs:
            return name
    return None


def encoding_of(path: Path, head: bytes, asked: str | None) -> tuple[str, str, str | None]:
    """Return (encoding, how to handle invalid bytes, a note or None). UTF-8 is verified over the whole file, never assumed."""
    if asked:
        name = known_encoding(asked)
        if name.startswith("utf-8"):
            return name, "strict" if _is_utf8(path) else "replace", None
        return name, "replace", f"It was read as {name}{_known_as(name)}, as chosen."
    if marked := next((name for bom, name in BOMS if head.startswith(bom)), None) or wide(head):
        return marked, "replace", None
    if any(mark in head for mark in ESCAPES) and head.isascii():
        return "iso2022_jp", "replace", _read_as("iso2022_jp")
    if _is_utf8(path):
        return "utf-8", "strict", None
    wrong, right, undefined, sample = _count_bytes(path)
    if right > 10 * wrong:  # one damaged row must not garble every accent of a UTF-8 file
        return "utf-8", "replace", f"{wrong} characters are not valid UTF-8; each was replaced by \ufffd."
    name = detect(sample) or ("latin-1" if undefined else "cp1252")
    return name, "replace", _read_as(name)


def _read_as(name: str) -> str:
    return (
        f"It is not UTF-8, so it was read as {name}{_known_as(name)}; if letters look wrong, choose another encoding "
        "(--encoding NAME on the command line), or save the file as UTF-8."
    )


def _known_as(name: str) -> str:
    return f" ({ENCODINGS[name]})" if name in ENCODINGS else ""


def known_encoding(asked: str) -> str:
    """Return Python's name of a text encoding; SettingError for an unknown one, or one that is not for text."""
    try:
        found = codecs.lookup(asked)
        "".encode(asked)  # base64 and the like are codecs, but not for text
        return found.name
    except (LookupError, ValueError):
        raise SettingError(
            f"There is no text encoding named {asked!r}.",
            field="encoding",
            asked=asked,
            available=["utf-8", "utf-16", "cp1252", "latin-1", *ENCODINGS],
            remedy="Choose one of these encodings.",
        ) from None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with binary(path)[0] as f:
        try:
            while block := f.read(BLOCK):
                limits.alive()
                if not block.isascii() or decoder.getstate()[0]:
                    decoder.decode(block)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
    return True


def _count_bytes(path: Path) -> tuple[int, int, bool, list[bytes]]:
    """Return (invalid UTF-8 characters, valid non-ASCII characters, whether a byte occurs that cp1252 lacks, a sample)."""
    decoder, wrong, right, undefined, pieces = codecs.getincrementaldecoder("utf-8")("replace"), 0, 0, False, []
    with binary(path)[0] as f:
        while block := f.read(BLOCK):
            limits.alive()
            pieces = sampled(pieces, block, not (wrong or right), len(block) < BLOCK)
            text = decoder.decode(block)
            bad = text.count("\ufffd")
            wrong, right = wrong + bad, right + sum(not c.isascii() for c in text) - bad
            undefined = undefined or any(bytes([b]) in block for b in (0x81, 0x8D, 0x8F, 0x90, 0x9D))
    return wrong, right, undefined, pieces


def delimiter_of(text: str, whole: bool, table: bool = False) -> tuple[str, bool]:
    """Return (the delimiter that gives most rows as many cells as the header, whether it is certain).

    A `table` (by its file name) may have a title and notes above the header.
    """
    best, chosen, certain = (0.0, 0), ",", False
    csv.field_size_limit(max(csv.field_size_limit(), FIELD))
    for mark in ",\t;|":
        try:
            cells = [r for r in csv.reader(io.StringIO(text, newline=""), delimiter=mark) if r]
        except csv.Error:
            continue
        cells = cells if whole or len(cells) < 2 else cells[:-1]
        if table and cells:
            # numbers two apart mean a blank line between
            numbered = [(2 * i, row) for i, row in enumerate(cells[: header_row.LOOKED_AT]) if any(map(str.strip, row))]
            cells = [row for _, row in numbered[header_row.above(numbered) :]] + cells[header_row.LOOKED_AT :]
        if not cells or len(cells[0]) < 2:
            continue
        share = sum(len(r) == len(cells[0]) for r in cells[1:]) / max(1, len(cells) - 1)
        if (round(share, 1), len(cells[0])) > best:
            best, chosen, certain = (round(share, 1), len(cells[0])), mark, share >= 0.9 and len(cells) > 1
    return chosen, certain


def format_of(text: str, suffix: str, whole: bool) -> tuple[str, str]:
    """Return (format, delimiter) of a text from its beginning. `whole`: `text` is the complete file."""
    named = SUFFIXES.get(suffix)
    lines = [line for line in (text if whole else text.rpartition("\n")[0] or text).split("\n") if line.strip()]
    if JSON_START.match(text) or named in ("json", "jsonl") and any(map(_parsed, lines[:20])):
        return _json_or_lines(lines, named), ""
    if match := re.match(r"sep=(.)\r?\n", text):
        return ("tsv" if match[1] == "\t" else "csv"), match[1]
    mark, certain = delimiter_of(text, whole, named in ("csv", "tsv"))
    if named == "text":
        return ("tsv", mark) if certain and mark == "\t" and len(lines) > 2 else ("text", "")
    if named in ("json", "jsonl") and (not certain or text.lstrip()[:1] in "[{"):
        return named, ""
    if named in ("csv", "tsv") or certain:
        return ("tsv" if mark == "\t" else "csv"), mark
    return "text", ""


def _parsed(line: str):
    try:
        value, end = decode(line, len(line) - len(line.lstrip()))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) and not line[end:].strip() else None


def _json_or_lines(lines: list[str], named: str | None) -> str:
    """Return "json" for one document, "jsonl" for one per line."""
    first = [_parsed(line) for line in lines[:5]]
    if len(lines) > 1 and sum(value is not None for value in first) > 1 or named == "jsonl" and not lines[0].lstrip().startswith("["):
        return "jsonl"
    if len(lines) > 1 and first[0] is not None and isinstance(first[0], dict):
        return "jsonl"
    return "json"
