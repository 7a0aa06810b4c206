"""Documents of before 2007: pieces in order, sheets and rows with their names, slides; hostile ones in bounded time."""

from __future__ import annotations

import struct
import zlib

import pytest

from tests.support.archives import HERE
from tests.support.compound_file import Tree, make_compound
from tests.support.mutation_lane import mutations
from tests.support.office97 import ppt_record, record, short_text, summary, word_streams, workbook
from triage.content.decoders import Budget, Member, decode
from triage.content.formats import excel, powerpoint, word
from triage.content.identify import identify
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason


def opened(tree: Tree | bytes, budget: Budget | None = None) -> tuple[dict[str, Member], list[Problem]]:
    data = tree if isinstance(tree, bytes) else make_compound(tree)
    kind = ContentType("application/x-ole-storage", "OLE2 compound file", "signature")
    items = list(decode(kind, memoryview(data), HERE, budget or Budget()) or ())
    names = [item.name for item in items if isinstance(item, Member)]
    assert len(set(names)) == len(names)
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


def texts(tree: Tree | bytes) -> dict[str, str]:
    return {name: item.data.decode() for name, item in opened(tree)[0].items()}


# --- Word -----------------------------------------------------------------------------------------------------------
def test_word_text_in_the_order_of_reading() -> None:
    pieces = [("keep her pass", True), ("port, долг ", False), ("caf\xe9\x07cell\x07\r", True), ("😀 end", False)]
    found, problems = opened(word_streams(pieces))
    assert found["text"].data.decode() == "keep her passport, долг café\tcell\t\n😀 end"
    assert found["text"].part_of_document and problems == []
    data = make_compound(word_streams(pieces))
    assert identify(data[:65536], len(data), b"a.doc").mime == "application/msword"


def test_word_parts_and_marks() -> None:
    pieces = [("body\r", True), ("note\r", False), ("head\r", True), ("remark of Greg\r", False), ("rest", True)]
    counts = {76: 5, 80: 5, 84: 5, 92: 15, 96: 0}
    assert texts(word_streams(pieces, counts)) == {
        "text": "body\n", "footnotes": "note\n", "headers": "head\n", "comments": "remark of Greg\n", "more text": "rest"}  # fmt: skip
    marks = 'link\x13 HYPERLINK "http://x" \x14shown\x15 soft\x1fhyphen no\x1ebreak\x0bline\x0cpage\x08\x01'
    assert (
        texts(word_streams([(marks, True)]))["text"]
        == 'link  HYPERLINK "http://x"  shown  softhyphen no-break\nline\npage'
    )


def test_word_6_with_the_page_of_its_language() -> None:
    fib = bytearray(0x300)
    struct.pack_into("<HHHHHH", fib, 0, 0xA5DC, 104, 0, 0x419, 0, 0)
    raw = "долг остаётся".encode("cp1251")
    struct.pack_into("<II", fib, 0x18, 0x300, 0x300 + len(raw))
    assert texts({"WordDocument": bytes(fib) + raw})["text"] == "долг остаётся"


def test_word_claims_are_bounded() -> None:
    tree = word_streams([("words", True)])
    main = bytearray(tree["WordDocument"])  # type: ignore[arg-type]
    plc = (
        b"".join(struct.pack("<I", 1 << 30 if number % 2 else 0) for number in range(2001))
        + struct.pack("<HIH", 0, 0x400, 0) * 2000
    )
    table = bytes(100) + b"\x02" + struct.pack("<I", len(plc)) + plc
    struct.pack_into("<II", main, 0x1A2, 100, 0xFFFFFFFF)
    sizes = [len(text) for text in texts({"WordDocument": bytes(main), "1Table": table}).values()]
    assert sum(sizes) < 16 << 20
    assert list(word._pieces(b"\x02\xff\xff\xff\xff")) == []


# --- Excel ----------------------------------------------------------------------------------------------------------
def shared(strings: list[bytes]) -> bytes:
    return record(0xFC, struct.pack("<II", len(strings), len(strings)) + b"".join(strings))


def cell(kind: int, row: int, column: int, body: bytes) -> bytes:
    return record(kind, struct.pack("<HHH", row, column, 0) + body)


def test_excel_cells_rows_and_hidden_sheets() -> None:
    strings = shared([short_text("name"), short_text("Maria", wide=False), short_text("долг")])
    ledger = (
        record(0x208, struct.pack("<HHHHHHHH", 1, 0, 9, 0, 0, 0, 0x20, 0))
        + cell(0xFD, 0, 0, struct.pack("<I", 0)) + cell(0xFD, 0, 1, struct.pack("<I", 2))
        + cell(0xFD, 1, 0, struct.pack("<I", 1)) + cell(0x203, 1, 1, struct.pack("<d", 5000.5))
        + cell(0x27E, 1, 2, struct.pack("<I", 60 << 2 | 2)) + cell(0xBD, 2, 26, struct.pack("<HIHIH", 0, 700 << 2 | 3, 0, 800 << 2 | 2, 28)[2:])
        + cell(6, 3, 0, b"\0\0\0\0\0\0\xff\xff" + bytes(8)) + record(0x207, short_text("still owes"))
        + cell(6, 4, 0, struct.pack("<d", 42.0) + bytes(8))
        + record(0x1C, struct.pack("<HHHH", 3, 0, 0, 1) + short_text("Greg"))
        + record(0x1B6, bytes(10) + struct.pack("<HHI", 8, 0, 0)) + record(0x3C, b"\0she pays")
        + record(0x14, short_text("&Lpage head"))
    )  # fmt: skip
    book = workbook([("Books", 0, cell(0x204, 0, 0, short_text("plain"))), ("Долги", 2, ledger)], strings)
    found = texts({"Workbook": book})
    assert found["sheet Books"] == "A1\tplain"
    assert found["sheet Долги (very hidden)"].split("\n") == [
        "A1\tname\tдолг", "(hidden row) A2\tMaria\t5000.5\t60", "AA3\t7\t800", "A4\tstill owes", "A5\t42",
        "comment at A4 by Greg", "she pays", "&Lpage head"]  # fmt: skip
    data = make_compound({"Workbook": book})
    assert identify(data[:65536], len(data), b"a.xls").mime == "application/vnd.ms-excel"


def test_excel_strings_cut_by_records() -> None:
    text = "паспорт" * 600
    raw = text.encode("utf-16-le")
    rich = struct.pack("<HBH", 4, 8, 2) + b"rich" + bytes(8)
    first = struct.pack("<II", 3, 3) + struct.pack("<HB", len(text), 1) + raw[:8000]
    table = (
        record(0xFC, first) + record(0x3C, b"\x01" + raw[8000:] + rich) + record(0x3C, short_text("last", wide=False))
    )
    cells = b"".join(cell(0xFD, row, 0, struct.pack("<I", row)) for row in range(4))
    found = texts({"Workbook": workbook([("S", 0, cells)], table)})
    assert found["sheet S"] == f"A1\t{text}\nA2\trich\nA3\tlast"
    # A wide string that goes on in 8 bits.
    table = record(0xFC, struct.pack("<II", 1, 1) + struct.pack("<HB", 6, 1) + "дол".encode("utf-16-le")) + record(
        0x3C, b"\0abc"
    )
    assert texts({"Workbook": workbook([("S", 0, cells)], table)})["sheet S"] == "A1\tдолabc"


def test_excel_5_has_text_of_its_code_page() -> None:
    raw = "долг".encode("cp1251")
    book = workbook([("Лист", 1, cell(0x204, 0, 1, struct.pack("<H", len(raw)) + raw))], version=0x500)
    assert texts({"Book": book}) == {"sheet Лист (hidden)": "B1\tдолг"}


def test_excel_claims_are_bounded() -> None:
    table = record(0xFC, struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + struct.pack("<HB", 0xFFFF, 13) + b"\xff" * 40)
    book = workbook([("S", 0, cell(0xFD, 0, 0, struct.pack("<I", 0xFFFFFFFF)))] * 300, table)
    opened({"Workbook": book})
    nested = workbook([("S", 0, record(0x809, bytes(16)) * 50_000)])
    opened({"Workbook": nested})
    assert excel.column_name(0) == "A" and excel.column_name(255) == "IV" and excel.column_name(702) == "AAA"


# --- PowerPoint -----------------------------------------------------------------------------------------------------
def test_powerpoint_slides_notes_and_older_versions() -> None:
    def slide(text: str, kind: int = 0x3EE) -> bytes:
        return ppt_record(kind, ppt_record(0xF00D, ppt_record(0x0FA0, text.encode("utf-16-le")), True), True)

    stream = (
        slide("first draft: долг") + slide("first draft: долг") + slide("the final text") + slide("what to say", 0x3F0)
    )
    stream += ppt_record(0x3E8, ppt_record(0x0FA8, b"title\rsubtitle caf\xe9"), True)
    stream += ppt_record(
        0x3EE,
        ppt_record(
            0x1388,
            ppt_record(0x138A, ppt_record(0x138B, ppt_record(0x0FBA, "Greg: remark".encode("utf-16-le"))), True),
            True,
        ),
        True,
    )
    found = texts({"PowerPoint Document": stream, "Current User": bytes(40)})
    assert found == {
        "slide 1": "first draft: долг", "slide 2": "the final text", "notes 1": "what to say",
        "outline 1": "title\nsubtitle café", "slide 3": "Greg: remark"}  # fmt: skip


def test_powerpoint_objects_are_files() -> None:
    inner = make_compound({"\x01Ole10Native": native("list.txt", b"name;debt")})
    stream = (
        ppt_record(0x1011, struct.pack("<I", len(inner)) + zlib.compress(inner))
        + ppt_record(0x1011, inner)
        + ppt_record(0x1011, b"no object at all")
    )
    members, problems = opened({"PowerPoint Document": stream})
    assert members["object 1.ole"].data == members["object 2.ole"].data == inner and problems == []
    assert opened(inner)[0]["list.txt"].data == b"name;debt"
    assert list(powerpoint.objects(ppt_record(0x1011, bytes(4) + zlib.compress(bytes(1 << 20))), 1000)) == [bytes(1000)]


def native(name: str, data: bytes) -> bytes:
    body = (
        struct.pack("<H", 2)
        + name.encode()
        + b"\0C:\\x\\"
        + name.encode()
        + b"\0"
        + struct.pack("<HHI", 0, 3, 5)
        + b"C:\\t\0"
        + struct.pack("<I", len(data))
        + data
    )
    return struct.pack("<I", len(body)) + body


# --- what they share ------------------------------------------------------------------------------------------------
def test_metadata_and_embedded_files() -> None:
    tree: Tree = {
        **word_streams([("outer text", True)]),
        "\x05SummaryInformation": summary(p2="House rules", p4="Greg", p8="Ivan"),
        "ObjectPool": {
            "_1": {"\x01Ole10Native": native("photo.jpg", b"\xff\xd8\xff\xe0 picture")},
            "_2": {"Package": b"PK\3\4 package"},
            "_3": {"Workbook": workbook([("Inner", 0, cell(0x204, 0, 0, short_text("inner cell")))])},
        },
    }
    members, problems = opened(tree)
    assert members["metadata"].data.decode() == "Title: House rules\nAuthor: Greg\nLast saved by: Ivan"
    assert members["ObjectPool/_1/photo.jpg"].data == b"\xff\xd8\xff\xe0 picture"
    assert not members["ObjectPool/_1/photo.jpg"].part_of_document
    assert members["ObjectPool/_2/Package"].data == b"PK\3\4 package"
    assert members["ObjectPool/_3/sheet Inner"].data == b"A1\tinner cell" and problems == []
    russian = summary("cp1251", 1251, p4="Иван")
    assert texts({"\x05SummaryInformation": russian})["metadata"] == "Author: Иван"


@pytest.mark.parametrize(
    "tree",
    [
        word_streams([("secret", True)], flags=0x0100),
        {"Workbook": workbook([("S", 0, b"")], extra=record(0x2F, bytes(54)))},
        {"PowerPoint Document": ppt_record(0x3E8, b""), "Current User": bytes(12) + b"\xdf\xc4\xd1\xf3"},
        {"PowerPoint Document": ppt_record(0x2F14, bytes(20), True)},
    ],
)  # fmt: skip
def test_encrypted_documents_are_told(tree: Tree) -> None:
    members, problems = opened(tree)
    assert not members and [item.reason for item in problems] == [Reason.ENCRYPTED]
    assert problems[0].bytes_not_examined and problems[0].hint


def test_truncated_and_spent() -> None:
    tree = word_streams([("words and words " * 900, False)])
    data = make_compound(tree)
    members, problems = opened(data[:8000])
    assert Reason.TRUNCATED in [item.reason for item in problems] or Reason.CORRUPT in [
        item.reason for item in problems
    ]
    members, problems = opened(tree, Budget(remaining_members=0, source_bytes=1))
    assert [item.reason for item in problems] == [Reason.LIMIT]
    assert [item.reason for item in opened(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))[1]] == [Reason.CORRUPT]


@pytest.mark.parametrize("seed", range(4))
def test_any_mutation_raises_nothing(seed: int) -> None:
    sst = shared([short_text("name"), short_text("долг")])
    trees: list[Tree] = [
        {**word_streams([("outer ", True), ("долг", False)]), "\x05SummaryInformation": summary(p4="Greg")},
        {
            "Workbook": workbook(
                [("S", 0, cell(0xFD, 0, 0, bytes(4)) + record(0x1C, bytes(8) + short_text("Greg")))], sst
            )
        },
        {"PowerPoint Document": ppt_record(0x3EE, ppt_record(0x0FA0, b"a\0b\0" * 9), True) * 3},
        {"O": {"\x01Ole10Native": native("a.txt", b"words" * 20)}, "\x05DocumentSummaryInformation": summary(p2="x")},
    ]
    for changed in mutations(make_compound(trees[seed]), seed, 250):
        opened(changed)
