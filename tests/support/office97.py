"""Word, Excel and PowerPoint documents of before 2007, made by hand, inside compound files."""

from __future__ import annotations

import struct

from tests.support.compound_file import Tree, make_compound


def summary(codec: str = "cp1252", page: int = 1252, **values: str) -> bytes:
    """A stream ``SummaryInformation``; names as ``p4`` (author), an 8-byte number for ``t13`` (saved)."""
    items = [(1, struct.pack("<IHxx", 2, page))]
    for name, value in values.items():
        raw = value.encode(codec) + b"\0"
        items.append((int(name[1:]), struct.pack("<II", 0x1E, len(raw)) + raw + bytes(-len(raw) % 4)))
    table, body = b"", b""
    base = 8 + 8 * len(items)
    for key, raw in items:
        table += struct.pack("<II", key, base + len(body))
        body += raw
    section = struct.pack("<II", base + len(body), len(items)) + table + body
    head = struct.pack("<HHI16xI", 0xFFFE, 0, 0, 1)
    return head + bytes.fromhex("e0859ff2f94f6810ab9108002b27b3d9") + struct.pack("<I", 48) + section


def word_streams(pieces: list[tuple[str, bool]], counts: dict[int, int] | None = None, *, flags: int = 0) -> Tree:
    """Streams of a Word 97 document: texts in the order of reading, stored in the opposite order; True for 8-bit."""
    body, places = bytearray(), {}
    for number in reversed(range(len(pieces))):
        text, is_narrow = pieces[number]
        body += bytes(len(body) % 2)
        raw = text.encode("cp1252" if is_narrow else "utf-16-le")
        places[number] = (2 * (0x400 + len(body)) | 0x40000000) if is_narrow else 0x400 + len(body)
        body += raw
    ends = [0]
    for text, is_narrow in pieces:
        ends.append(ends[-1] + (len(text) if is_narrow else len(text.encode("utf-16-le")) // 2))
    plc = b"".join(struct.pack("<I", end) for end in ends)
    plc += b"".join(struct.pack("<HIH", 0, places[number], 0) for number in range(len(pieces)))
    clx = b"\x01\x04\0abcd" + b"\x02" + struct.pack("<I", len(plc)) + plc
    fib = bytearray(0x400)
    struct.pack_into("<HHHHHH", fib, 0, 0xA5EC, 0xC1, 0, 0x409, 0, 0x0200 | flags)
    for at, count in (counts or {76: ends[-1]}).items():
        struct.pack_into("<I", fib, at, count)
    struct.pack_into("<II", fib, 0x1A2, 100, len(clx))
    return {"WordDocument": bytes(fib + body).ljust(4096, b"\0"), "1Table": bytes(100) + clx}


def record(kind: int, body: bytes = b"") -> bytes:
    """A BIFF record."""
    return struct.pack("<HH", kind, len(body)) + body


def short_text(text: str, wide: bool = True) -> bytes:
    """A text with its length in 16 bits, as in BIFF8."""
    raw = text.encode("utf-16-le" if wide else "latin-1")
    return struct.pack("<HB", len(text.encode("utf-16-le")) // 2, int(wide)) + raw


def workbook(
    sheets: list[tuple[str, int, bytes]], strings: bytes = b"", *, extra: bytes = b"", version: int = 0x600
) -> bytes:
    """A workbook stream of sheets (name, hidden state, records) and records of the shared strings."""
    names = [name.encode("utf-16-le") if version == 0x600 else name.encode("cp1251") for name, _, _ in sheets]
    head = record(0x809, struct.pack("<HHHHII", version, 5, 0, 0, 0, 0)) + record(0x42, struct.pack("<H", 1251)) + extra
    size = len(head) + sum(4 + 7 + (version == 0x600) + len(name) for name in names) + len(strings) + 4
    listed, body = b"", b""
    for (name, state, records), raw in zip(sheets, names, strict=True):
        count = struct.pack("<BB", len(name), 1) if version == 0x600 else struct.pack("<B", len(raw))
        listed += record(0x85, struct.pack("<IBB", size + len(body), state, 0) + count + raw)
        body += record(0x809, struct.pack("<HHHHII", version, 0x10, 0, 0, 0, 0)) + records + record(0x0A)
    return head + listed + strings + record(0x0A) + body


def ppt_record(kind: int, body: bytes, container: bool = False) -> bytes:
    """A PowerPoint record."""
    return struct.pack("<HHI", 15 if container else 0, kind, len(body)) + body


def document(tree: Tree) -> bytes:
    """The compound file."""
    return make_compound(tree)
