"""Monsters: files that are small on the disk and large, deep or endless in the reading. Seeded, and made when they are asked for.

`MONSTERS` maps a name such as "jsonl-deep" to a function (path without its ending, Random, size) -> path; `size` from 1 on scales it.
"""

import gzip
import json
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

Maker = Callable[[Path, random.Random, int], Path]
MONSTERS: dict[str, Maker] = {}
ROW = {"prompt": "What is two plus two?", "answer": "Four, as far as anybody knows."}


def monster(format: str, kind: str) -> Callable[[Callable], Callable]:
    """Register a function (Random, size) -> bytes or text, or (path, Random, size) -> path where it writes the file itself."""

    def register(make: Callable) -> Callable:
        def write(stem: Path, rng: random.Random, size: int) -> Path:
            path = stem.with_name(f"{stem.name}.{format}")
            content = make(rng, size)
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
            return path

        MONSTERS[f"{format}-{kind}"] = write
        return make

    return register


def many(count: int, seed: int = 0, most: int = 3) -> Iterator[tuple[str, int, int]]:
    """`count` of (name, size, seed), every name first, then again in other sizes."""
    rng = random.Random(seed)
    names = sorted(MONSTERS)
    for n in range(count):
        yield names[n % len(names)], 1 + (n // len(names)) % most, rng.randrange(10**6)


# --- lines and tables of text -------------------------------------------------------------------------------------------------


def rows(n: int) -> str:
    return "".join(json.dumps(ROW | {"prompt": f"{ROW['prompt']} ({i})"}) + "\n" for i in range(n))


for ending, mark in (("csv", ","), ("tsv", "\t")):

    @monster(ending, "columns")
    def columns(rng, size, mark=mark):
        return mark.join(f"c{i}" for i in range(30_000 * size)) + "\n" + mark.join("x" for _ in range(30_000 * size)) + "\n"

    @monster(ending, "same-names")
    def same_names(rng, size, mark=mark):
        return mark.join(["a"] * 15_000) + "\n" + mark.join(["x"] * 15_000) + "\n"

    @monster(ending, "open-quote")
    def open_quote(rng, size, mark=mark):
        return f'prompt{mark}answer\na{mark}"b\n' + f"question{mark}and its answer\n" * 30_000 * size

    @monster(ending, "quotes")
    def quotes(rng, size, mark=mark):
        return f"prompt{mark}answer\n" + "".join(
            f'{"x" * rng.randrange(9)}"{mark * rng.randrange(3)}{rng.choice(["", chr(34)])}\n' for _ in range(20_000 * size)
        )

    @monster(ending, "long-field")
    def long_field(rng, size, mark=mark):
        return f'prompt{mark}answer\n"' + "long " * 5_000_000 + f'"{mark}b\n' + f"c{mark}d\n" * 50

    @monster(ending, "nulls")
    def nulls(rng, size, mark=mark):
        return f"prompt{mark}answer\n" + f"a\0b{mark}c\0\n" * 100 * size

    @monster(ending, "bytes")
    def bytes_(rng, size, mark=mark):
        return f"prompt{mark}answer\n".encode() + b"".join(
            bytes(rng.randrange(32, 256) for _ in range(60)) + b"\n" for _ in range(100 * size)
        )

    @monster(ending, "no-rows")
    def no_rows(rng, size, mark=mark):
        return f"prompt{mark}answer" + "\n" * 100_000 * size


@monster("csv", "sep")
def sep(rng, size):
    return "sep=\n\n\nsep=\x00\n" + ",\n" * 1000 * size


# --- JSON ------------------------------------------------------------------------------------------------------------------------


def deep(rng: random.Random, depth: int) -> str:
    opening, closing = rng.choice([("[", "]"), ('{"a":', "}"), ('[{"b":', "}]")])
    return opening * depth + "1" + closing * depth


@monster("jsonl", "deep")
def jsonl_deep(rng, size):
    return (
        rows(20) + json.dumps(ROW)[:-1] + ', "more": ' + deep(rng, rng.choice([99, 150, 250, 900, 1100, 100_000]) * size) + "}\n" + rows(20)
    )


@monster("jsonl", "digits")
def jsonl_digits(rng, size):
    return rows(20) + json.dumps(ROW)[:-1] + ', "id": ' + rng.choice(["", "-"]) + "7" * (100_000 * size) + "}\n" + rows(20)


@monster("jsonl", "all-digits")
def jsonl_all_digits(rng, size):
    return "".join(f'{{"text": {"9" * 20_000}, "label": {"1" * rng.choice([3, 30, 400, 5000])}}}\n' for _ in range(20 * size))


@monster("jsonl", "deep-cells")
def jsonl_deep_cells(rng, size):
    return "".join(json.dumps({"messages": deep(rng, rng.choice([90, 400, 3000]) * size), "id": i}) + "\n" for i in range(50))


@monster("jsonl", "turns")
def jsonl_turns(rng, size):
    strange = [
        None,
        7,
        "x",
        [],
        [[]],
        [None],
        [{"role": None}],
        [{"role": [], "content": {}}],
        [{"role": "user", "content": [{"type": "image"}]}],
        {},
    ]
    return rows(3) + "".join(
        json.dumps({"messages": rng.choice(strange), "prompt": rng.choice(strange), "answer": rng.choice(strange)}) + "\n"
        for _ in range(200 * size)
    )


@monster("jsonl", "halves")
def jsonl_halves(rng, size):
    return "".join(f'{{"prompt": "a\\ud83d {i}", "answer": "\\udc00{i}", "\\ud800": "x"}}\n' for i in range(40 * size))


@monster("jsonl", "keys")
def jsonl_keys(rng, size):
    return json.dumps({f"k{i}": "x" for i in range(30_000 * size)}) + "\n" + rows(3)


@monster("jsonl", "numbers")
def jsonl_numbers(rng, size):
    return "".join(
        f'{{"text": "t{i}", "label": {rng.choice(["NaN", "1e999", "-Infinity", "-0", "1e-999", "123456789012345678901234567890"])}}}\n'
        for i in range(60 * size)
    )


@monster("jsonl", "bare")
def jsonl_bare(rng, size):
    return "".join(
        rng.choice(["null", "true", "7", '"text"', "[]", "[1]", "{}", '{"":""}', "{", "\x00", "[{}]"]) + "\n" for _ in range(300 * size)
    )


@monster("json", "deep")
def json_deep(rng, size):
    return "[" + json.dumps(ROW) + "," + deep(rng, 100_000 * size) + "]"


@monster("json", "only-open")
def json_open(rng, size):
    return rng.choice(["[", '{"a":', "[["]) * 500_000 * size


@monster("json", "digits")
def json_digits(rng, size):
    return (
        "["
        + ",\n".join([json.dumps(ROW)] * 5 + [json.dumps(ROW)[:-1] + ', "n": ' + "3" * 200_000 * size + "}"] + [json.dumps(ROW)] * 5)
        + "]"
    )


@monster("json", "columns")
def json_columns(rng, size):
    return json.dumps({"prompt": {str(i): "a" for i in range(100)}, "answer": {str(i): "b" for i in range(0, 200, 2)}, "²": {"²": 1}})


@monster("json", "squad")
def json_squad(rng, size):
    good = {"paragraphs": [{"context": "It is four.", "qas": [{"question": "What?", "answers": [{"text": "four", "answer_start": 6}]}]}]}
    broken = [{"paragraphs": 5}, {"paragraphs": [None]}, {"paragraphs": [{"qas": [7]}]}, {"paragraphs": [{"qas": [{"answers": "x"}]}]}]
    return json.dumps({"data": [good] * 30 + [rng.choice(broken) for _ in range(30 * size)] + [good] * 5})


@monster("json", "tree")
def json_tree(rng, size):
    lines = [
        {"message_id": i, "parent_id": rng.choice([i, i - 1, [], {}, None]), "text": "t", "role": rng.choice(["prompter", None, 7, {}])}
        for i in range(100 * size)
    ]
    return "[" + ",".join(map(json.dumps, lines)) + "]"


@monster("json", "half")
def json_half(rng, size):
    return ("[" + ",".join([json.dumps(ROW)] * 200 * size))[:-7]


# --- archives ---------------------------------------------------------------------------------------------------------------------


@monster("csv.gz", "bomb")
def gz_bomb(rng, size):
    block = gzip.compress(b"prompt,answer\n" * 1_500_000)  # 21 MB each, member after member
    return block * (20 * size)


@monster("jsonl.gz", "zeros")
def gz_zeros(rng, size):
    return gzip.compress(rows(50).encode()) + gzip.compress(bytes(40_000_000)) * (10 * size)


@monster("csv.gz", "broken")
def gz_broken(rng, size):
    whole = bytearray(gzip.compress(b"prompt,answer\n" + b"".join(b"%d,%d\n" % (i, rng.randrange(10**9)) for i in range(20_000))))
    whole[len(whole) // 2] ^= 0xFF
    return bytes(whole[: -rng.randrange(1, 100)])


@monster("csv.gz", "twice")
def gz_twice(rng, size):
    content = b"prompt,answer\na,b\n"
    for _ in range(1 + size):
        content = gzip.compress(content)
    return content


@monster("zip", "slip")
def zip_slip(rng, size):
    return zipped({"../../../etc/passwd": "x", "a" * 60_000: "y", "ä": "z"})


# --- workbooks --------------------------------------------------------------------------------------------------------------------

SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def zipped(files: dict[str, str | bytes]) -> bytes:
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def workbook(sheet: str, shared: str = "", more: dict[str, str] | None = None, head: str = "") -> bytes:
    """An .xlsx with one sheet, of which `sheet` is the XML of the rows."""
    strings = f'<Relationship Id="rId2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>' if shared else ""
    kinds = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">{kinds}</Types>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{SHEETS}" xmlns:r="{OFFICE}"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>{strings}</Relationships>',
            "xl/worksheets/sheet1.xml": f'<?xml version="1.0"?>{head}<worksheet xmlns="{SHEETS}"><dimension ref="A1:B2"/><sheetData>{sheet}</sheetData></worksheet>',
        }
        | ({"xl/sharedStrings.xml": f'<sst xmlns="{SHEETS}">{shared}</sst>'} if shared else {})
        | (more or {})
    )


def cell(place: str, text: str = "x") -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


TABLE = f'<row r="1">{cell("A1", "prompt")}{cell("B1", "answer")}</row><row r="2">{cell("A2")}{cell("B2")}</row>'


@monster("xlsx", "last-cell")
def last_cell(rng, size):
    return workbook(f'<row r="1048576">{cell("XFD1048576")}</row>')


@monster("xlsx", "far-cell")
def far_cell(rng, size):
    return workbook(TABLE + f'<row r="1048576">{cell(rng.choice(["XFD1048576", "ZZ1048576", "ABC900000"]))}</row>')


@monster("xlsx", "wild-references")
def wild(rng, size):
    return workbook(
        TABLE + f'<row r="3">{cell(rng.choice(["A99999999999999999999", "ZZZZZZZZZ9", "A4294967295", "XFE3", "A0", "1A", "-1", ""]))}</row>'
    )


@monster("xlsx", "shared-bomb")
def shared_bomb(rng, size):
    cells = "".join(f'<row r="{i}"><c r="A{i}" t="s"><v>0</v></c><c r="B{i}" t="s"><v>0</v></c></row>' for i in range(1, 60_000 * size))
    return workbook(cells, f"<si><t>{'long ' * 20_000}</t></si>")


@monster("xlsx", "shared-missing")
def shared_missing(rng, size):
    return workbook(
        f'<row r="1"><c r="A1" t="s"><v>{rng.choice(["7", "-1", "99999999999999999999", "x", ""])}</v></c></row>' + TABLE,
        "<si><t>a</t></si>",
    )


@monster("xlsx", "entities")
def entities(rng, size):
    lines = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "lol"}">' for i in range(10))
    return workbook(f'<row r="1">{cell("A1", "&e9;")}</row>', head=f"<!DOCTYPE x [{lines}]>")


@monster("xlsx", "blank")
def blank_bomb(rng, size):
    return workbook(TABLE + " " * 280_000_000)


@monster("xlsx", "many-files")
def many_files(rng, size):
    return workbook(TABLE, more={f"xl/media/{i}.xml": "" for i in range(11_000)})


@monster("xlsx", "broken")
def broken_book(rng, size):
    whole = bytearray(workbook(TABLE * 50))
    for _ in range(rng.randrange(1, 30)):
        whole[rng.randrange(60, len(whole))] = rng.randrange(256)
    return bytes(whole)


@monster("xlsx", "open-tags")
def open_tags(rng, size):
    return workbook("<row><c>" * 100_000 * size)


@monster("ods", "repeats")
def ods(rng, size):
    text = '<table:table-cell office:value-type="string" table:number-columns-repeated="{}"><text:p>a</text:p></table:table-cell>'
    rows, cells = rng.choice([(1_000_000, 1000), (2_000_000_000, 1), (1, 2_000_000_000), (60_000, 1600), (-1, 3)])
    names = 'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    row = f'<table:table-row table:number-rows-repeated="{rows}">{text.format(cells)}</table:table-row>'
    content = f'<office:document-content {names}><office:body><office:spreadsheet><table:table table:name="S">{row}</table:table></office:spreadsheet></office:body></office:document-content>'
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    return zipped({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "META-INF/manifest.xml": manifest, "content.xml": content})


@monster("xls", "garbage")
def xls(rng, size):
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(rng.randrange(256) for _ in range(5000 * size))


@monster("xls", "endless-sectors")
def xls_loop(rng, size):
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
    return (head + bytes(10) + struct.pack("<IIII", 1, 0, 0, 4096) + struct.pack("<I", 0) * 110).ljust(512, b"\0") + struct.pack(
        "<I", 0
    ) * 128 * 8


@monster("xlsb", "garbage")
def xlsb(rng, size):
    parts = {"xl/workbook.bin": bytes(rng.randrange(256) for _ in range(400)), "xl/worksheets/sheet1.bin": b"\xff" * 4000}
    return zipped({"[Content_Types].xml": "<Types/>", **parts})


# --- Parquet ----------------------------------------------------------------------------------------------------------------------


def table(columns: dict, **how) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), out, **how)
    return out.getvalue().to_pybytes()


@monster("parquet", "half")
def parquet_half(rng, size):
    whole = table({"prompt": ["a"] * 1000, "answer": ["b"] * 1000})
    return whole[: rng.randrange(4, len(whole))]


@monster("parquet", "flipped")
def parquet_flipped(rng, size):
    whole = bytearray(table({"prompt": [f"a{i}" for i in range(1000)], "answer": ["b"] * 1000}))
    for _ in range(rng.randrange(1, 40)):
        whole[rng.randrange(4, len(whole) - 8)] = rng.randrange(256)
    return bytes(whole)


@monster("parquet", "footer")
def parquet_footer(rng, size):
    return b"PAR1" + bytes(rng.randrange(256) for _ in range(500)) + struct.pack("<I", rng.choice([0, 499, 2**31 - 1, 2**32 - 1])) + b"PAR1"


@monster("parquet", "columns")
def parquet_columns(rng, size):
    return table({f"c{i}": ["x"] for i in range(17_000)})


@monster("parquet", "deep")
def parquet_deep(rng, size):
    import pyarrow as pa

    kind, value = pa.string(), "x"
    for _ in range(60 * size):
        kind, value = pa.list_(kind), [value]
    return table({"text": pa.array([value] * 3, kind), "label": ["a", "b", "c"]})


@monster("parquet", "dictionary-bomb")
def parquet_bomb(rng, size):
    import pyarrow as pa

    long = pa.DictionaryArray.from_arrays(pa.array([0] * 400_000, pa.int32()), pa.array(["long " * 20_000]))
    return table({"prompt": long, "answer": long})


@monster("parquet", "strange-types")
def parquet_types(rng, size):
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal

    values = [
        b"\xff\xfe",
        date(1, 1, 1),
        datetime(9999, 12, 31),
        time(1),
        timedelta(days=10**6),
        Decimal("1e20"),
        float("nan"),
        [None],
        {"a": None},
    ]
    return table({f"c{i}": [v, v, None] for i, v in enumerate(values)} | {"text": ["a", "b", "c"]})


# --- what is no table at all --------------------------------------------------------------------------------------------------------


@monster("txt", "one-line")
def one_line(rng, size):
    return "word " * 2_000_000 * size


@monster("txt", "blank")
def blank(rng, size):
    return "\n" * 3_000_000 * size


@monster("txt", "wide")
def wide(rng, size):
    return b"\xff\xfe" + ("a\ud800b" * 3000 * size).encode("utf-16-le", "surrogatepass") + b"\x01"


@monster("csv", "wrong-magic")
def magic(rng, size):
    return rng.choice(
        [b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\x80\x04.", b"\x7fELF", b"GGUF", b"%PDF-1.7", b"PAR1", b"\x1f\x8b", b"ARROW1"]
    ) + bytes(2000 * size)
