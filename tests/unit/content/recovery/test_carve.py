"""Carving by structure: planted files of every kind, false headers, files cut short, one inside another, hostile ones.

Test data is built here, byte by byte where the standard library does not write the format.
"""

import gzip
import hashlib
import io
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from triage.content.recovery import Carved, carve, carver
from triage.content.recovery.carved import Reader
from triage.content.recovery.databases import _checksum
from triage.errors import LimitExceededError, ReadFailedError
from triage.model.stream import MemoryStream


def noise(length: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(length)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def make_jpeg(seed: int = 1, size: int = 5000, thumbnail: bytes = b"") -> bytes:
    """Markers of a grey baseline picture; the picture data are noise with stuffed bytes and restart markers."""
    data = noise(size, seed).replace(b"\xff", b"\xff\x00")
    data = data[:1000] + b"\xff\xd0" + data[1000:2000] + b"\xff\xd1" + data[2000:]
    return b"".join((
        b"\xff\xd8", segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"), segment(0xE1, b"Exif\0\0" + thumbnail),
        segment(0xDB, bytes(65)), segment(0xC0, b"\x08\0\x40\0\x40\1\1\x11\0"), segment(0xC4, bytes(17) + b"\0"),
        segment(0xDA, b"\1\1\0\0\x3f\0"), data, b"\xff\xd9",
    ))  # fmt: skip


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def make_png(seed: int = 1) -> bytes:
    rows = b"".join(b"\0" + noise(64, seed + row) for row in range(64))
    head = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    packed = zlib.compress(rows)
    parts = [chunk(b"IDAT", packed[at : at + 700]) for at in range(0, len(packed), 700)]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(parts) + chunk(b"IEND", b"")


def make_gif(seed: int = 1) -> bytes:
    data = noise(3000, seed)
    blocks = (
        b"".join(bytes((len(part),)) + part for part in (data[at : at + 255] for at in range(0, 3000, 255))) + b"\0"
    )
    extension = b"\x21\xf9\x04\0\0\0\0\0"
    return b"GIF89a" + struct.pack("<HHBBB", 50, 50, 0x80, 0, 0) + bytes(6) + extension + b"\x2c" + struct.pack(
        "<HHHHB", 0, 0, 50, 50, 0
    ) + b"\x08" + blocks + b"\x3b"  # fmt: skip


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + name + data


def make_mp4(seed: int = 1) -> bytes:
    return box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"free", b"") + box(b"mdat", noise(9000, seed)) + box(
        b"moov", box(b"mvhd", bytes(100)) + box(b"trak", bytes(50))
    )  # fmt: skip


def make_mov() -> bytes:
    wide = struct.pack(">I4sQ", 1, b"mdat", 16 + 4000) + noise(4000)
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"wide", b"") + wide + box(b"moov", box(b"mvhd", bytes(100)))


def make_heic() -> bytes:
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + box(b"hdlr", bytes(20))) + box(
        b"mdat", noise(3000)
    )  # fmt: skip


def make_pdf(revisions: int = 1, seed: int = 1) -> bytes:
    out, previous = b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n", 0
    for number in range(1, revisions + 1):
        out += b"%d 0 obj\n<</Length 900>>\nstream\n" % number + noise(900, seed + number) + b"\nendstream\nendobj\n"
        table = len(out)
        out += b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 2/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n" % (
            previous, table,
        )  # fmt: skip
        previous = table
    return out


def make_zip(names: dict[str, bytes] | None = None, *, streamed: bool = False, comment: bytes = b"") -> bytes:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

        def tell(self) -> int:
            raise io.UnsupportedOperation

    out = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (names or {"a.txt": b"hello", "b.bin": noise(3000)}).items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
        archive.comment = comment
    return out.getvalue()


def make_ole(stream: str = "WordDocument", sectors: int = 20) -> bytes:
    """Header, one table sector, one directory sector, content."""
    head = bytearray(512)
    head[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<HHHHH", head, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<IIIIIIII", head, 44, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    struct.pack_into("<109I", head, 76, 0, *[0xFFFFFFFF] * 108)
    chain = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, sectors), 0xFFFFFFFE]
    table = struct.pack("<128I", *(chain + [0xFFFFFFFF] * (128 - len(chain))))
    slots = b""
    for name, kind in (("Root Entry", 5), (stream, 2)):
        text = name.encode("utf-16-le")
        slots += text.ljust(64, b"\0") + struct.pack("<HB", len(text) + 2, kind) + bytes(61)
    return bytes(head) + table + slots.ljust(512, b"\0") + noise((sectors - 2) * 512)


def make_sqlite(rows: int = 300, folder: Path | None = None) -> bytes:
    database = sqlite3.connect(":memory:")
    database.execute("create table t(a, b)")
    database.executemany("insert into t values(?, ?)", ((n, noise(20, n).hex() * (n % 9)) for n in range(rows)))
    database.execute("insert into t values(0, ?)", (noise(40_000),))
    database.commit()
    data = database.serialize()
    database.close()
    # In memory the counters stay 0; the file format has them equal.
    return data


def make_wal(frames: int = 3) -> bytes:
    head = struct.pack(">6I", 0x377F0682, 3007000, 1024, 0, 0x1234, 0x5678)
    first, second = _checksum(head, "<")
    head += struct.pack(">II", first, second)
    for number in range(frames):
        head += struct.pack(">6I", number + 1, 0, 0x1234, 0x5678, 0, 0) + noise(1024, number)
    return head


def make_mail(parts: bool = True) -> bytes:
    head = (
        b"Return-Path: <a@example.org>\r\nReceived: from x by y;\r\n\tMon, 1 Jan 2024 10:00:00 +0000\r\nFrom: a@example.org\r\n"
        b"To: b@example.org\r\nSubject: rates\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    )
    if not parts:
        return head + b"\r\nhello\r\nworld\r\n"
    return head + b'Content-Type: multipart/mixed; boundary="=_b1"\r\n\r\n--=_b1\r\n\r\nhello\r\n--=_b1--\r\n'


def make_mbox() -> bytes:
    line = b"From a@example.org Mon Jan  1 10:00:00 2024\n"
    return b"\n".join(line + make_mail(parts).replace(b"\r", b"") for parts in (True, False, True))


RTF = rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}} text \{not a group\} \\ {\*\x \bin5 {}{}{ } end}"

KINDS: dict[str, tuple[bytes, str]] = {
    "jpeg": (make_jpeg(), "jpg"),
    "png": (make_png(), "png"),
    "gif": (make_gif(), "gif"),
    "mp4": (make_mp4(), "mp4"),
    "mov": (make_mov(), "mov"),
    "heic": (make_heic(), "heic"),
    "pdf": (make_pdf(), "pdf"),
    "pdf_revised": (make_pdf(3), "pdf"),
    "zip": (make_zip(), "zip"),
    "zip_streamed": (make_zip(streamed=True), "zip"),
    "zip_commented": (make_zip(comment=b"a comment PK\x05\x06"), "zip"),
    "docx": (make_zip({"[Content_Types].xml": b"<a/>", "word/document.xml": b"<w/>" * 99}), "docx"),
    "xlsx": (make_zip({"[Content_Types].xml": b"<a/>", "xl/workbook.xml": b"<w/>" * 99}, streamed=True), "xlsx"),
    "odt": (make_zip({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<o/>"}), "odt"),
    "ole": (make_ole(), "doc"),
    "msg": (make_ole("__properties_version1.0"), "msg"),
    "sqlite": (make_sqlite(), "sqlite"),
    "wal": (make_wal(), "sqlite-wal"),
    "gzip": (gzip.compress(noise(5000), mtime=0), "gz"),
    "gzip_members": (gzip.compress(b"one" * 999, mtime=0) + gzip.compress(b"two" * 999, mtime=0), "gz"),
    "mail": (make_mail(), "eml"),
    "mail_plain": (make_mail(False), "eml"),
    "mbox": (make_mbox(), "mbox"),
    "rtf": (RTF, "rtf"),
}
PLAIN_TEXT = frozenset({"mail_plain", "mbox"})  # their end is where text ends: zeros must follow
UNCHECKED = frozenset({"heic", "ole", "msg", "sqlite"})  # what fills the place of their last bytes cannot be told


def found_in(data: bytes, **options: int) -> list[Carved]:
    return list(carve(MemoryStream(data), **options))


@pytest.mark.parametrize("kind", KINDS)
def test_planted_file_is_found_whole_once(kind: str) -> None:
    data, extension = KINDS[kind]
    for sector, seed in ((0, 1), (3, 2), (8191, 3), (8193, 4)):
        filler = noise(sector * 512, seed)
        after = bytes(600) if kind in PLAIN_TEXT else bytes(-len(data) % 512) + noise(5000, 9)
        (one,) = found_in(filler + data + after)
        assert (one.offset, one.length, one.complete, one.reason) == (sector * 512, len(data), True, ""), one
        assert one.extension == extension and one.name == f"carved-{one.offset}.{extension}" and one.validated


def test_odf_stored_mimetype() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", b"<o/>")
    (one,) = found_in(out.getvalue())
    assert (one.extension, one.complete, one.length) == ("ods", True, len(out.getvalue()))


def test_many_files_in_a_row_are_each_found() -> None:
    data, wanted = b"", []
    for kind, (content, extension) in KINDS.items():
        wanted.append((len(data), len(content), extension))
        data += content + bytes(512 - len(content) % 512) + bytes(512 * (len(kind) % 3))
    assert [(one.offset, one.length, one.extension) for one in found_in(data) if one.complete] == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_cut_short_is_incomplete_with_a_reason_or_nothing(kind: str) -> None:
    data, _ = KINDS[kind]
    for part in (0.3, 0.6, 0.95):
        cut = data[: int(len(data) * part)]
        for rest in (b"",) if kind in UNCHECKED else (b"", noise(4000, 5), bytes(40_000)):
            for one in found_in(cut + rest):
                if one.offset or kind == "wal" or kind in ("gzip_members", "pdf_revised", *PLAIN_TEXT):
                    continue  # a member or revision before the cut is whole
                assert not one.complete and one.reason, (kind, part, one)
                assert one.offset + one.length <= len(cut + rest)


def test_false_headers_give_nothing() -> None:
    words = b"the word %PDF-1.4 in a text, and From: nobody, and PK\x03\x04 too. "
    heads = [
        b"%PDF-1.4 is how such a file begins, says this text. ", b"From: the beginning\n\nDate: none", b"GIF89a is a name",
        b"SQLite format 3\0 and nothing else", b"PK\x03\x04" + noise(60, 1), b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + noise(600),
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + noise(99), b"\xff\xd8\xff\xe0" + noise(99), b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + noise(99),
        b"\0\0\0\x20ftypisom" + noise(99), b"\0\0\0\x20moov\0\0\0\x18mvhd"[:8] + noise(99), b"{\\rtf1", b"Subject: only one\n\nx",
        b"\x37\x7f\x06\x82\x00\x2d\xe2\x18" + noise(99), b"\0\0\0\x10mdat" + noise(99),
    ]  # fmt: skip
    data = b"".join(head.ljust(1024, b"\xee") for head in heads) + words * 99
    assert found_in(data) == []
    for seed in range(3):
        assert found_in(noise(3 << 20, seed)) == []


def test_jpeg_magic_all_over_noise_gives_nothing() -> None:
    data = bytearray(noise(1 << 20))
    for place in range(0, len(data), 512):
        data[place : place + 4] = b"\xff\xd8\xff\xe1"
    assert found_in(bytes(data)) == []


def test_thumbnail_inside_belongs_to_its_picture() -> None:
    thumbnail = make_jpeg(7, 3000)
    data = make_jpeg(1, 5000, bytes(512 - 36) + thumbnail)
    padding = bytes(-data.index(thumbnail) % 512)
    data = make_jpeg(1, 5000, bytes(512 - 36) + padding + thumbnail)
    assert data.index(thumbnail) % 512 == 0
    assert [(one.offset, one.length) for one in found_in(data + bytes(5000))] == [(0, len(data))]


def test_member_of_an_archive_is_not_carved_twice() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("x" * (512 - 30)), make_jpeg())
    assert out.getvalue()[512:515] == b"\xff\xd8\xff"
    assert [one.extension for one in found_in(out.getvalue() + bytes(512))] == ["zip"]


def test_what_follows_directly_behind_a_file_is_found() -> None:
    """A motion photo: a film directly behind the picture, at no sector's beginning."""
    picture, film = make_jpeg(), make_mp4()
    assert len(picture) % 512
    assert [(one.offset, one.extension) for one in found_in(picture + film + bytes(512))] == [
        (0, "jpg"), (len(picture), "mp4"),
    ]  # fmt: skip


def test_a_file_inside_a_broken_one_is_found() -> None:
    picture = make_jpeg(size=9000)
    inner = make_png()
    broken = picture[:4096] + inner + bytes(-len(inner) % 512) + picture[4096:]
    found = found_in(broken)
    assert (found[0].offset, found[0].complete) == (0, False) and found[0].length >= 4096
    assert [(one.offset, one.length) for one in found if one.complete] == [(4096, len(inner))]


def test_data_of_a_film_are_searched_too() -> None:
    inner = make_png()
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2")
    gap = 512 - len(head) - 8
    film = head + box(b"mdat", bytes(gap) + inner + bytes(99)) + box(b"moov", box(b"mvhd", bytes(100)))
    assert [(one.offset, one.extension) for one in found_in(film)] == [(0, "mp4"), (512, "png")]


def test_scan_that_ends_in_zeros_is_cut_there() -> None:
    cut = make_jpeg(size=9000)[:5000]
    (one,) = found_in(cut + bytes(1 << 20) + make_png()[100:])
    assert not one.complete and "zeros" in one.reason and 4990 <= one.length <= 5000


def test_png_with_a_wrong_checksum_keeps_what_holds() -> None:
    data = bytearray(make_png())
    data[2000] ^= 1
    (one,) = found_in(bytes(data))
    assert not one.complete and "checksum" in one.reason and one.length < 2000


def test_pdf_whose_number_leads_nowhere() -> None:
    data = make_pdf().replace(b"startxref\n9", b"startxref\n5").replace(b"startxref\n1", b"startxref\n7")
    (one,) = found_in(data + bytes(100))
    assert not one.complete and "cross-reference" in one.reason


def test_pdf_ends_where_another_begins() -> None:
    first = make_pdf()
    cut = first[: first.index(b"startxref")]
    data = cut + bytes(-len(cut) % 512) + make_pdf(seed=50)
    found = found_in(data)
    assert [(one.offset, one.complete) for one in found] == [(0, False), (len(cut) + -len(cut) % 512, True)]


def test_linearised_pdf_is_taken_whole() -> None:
    body = make_pdf(2)
    with_length = body.replace(b"1 0 obj\n", b"1 0 obj\n<</Linearized 1/L 99999>>\nendobj\n2 0 obj\n", 1)
    first_end = with_length.index(b"%%EOF")
    start = with_length.rindex(b"startxref\n", 0, first_end) + 10
    with_length = with_length[:start] + b"0" + with_length[first_end - 1 :]
    whole = with_length.replace(b"99999", b"%05d" % len(with_length))
    shift = whole.rindex(b"xref\n0 1")
    tail = whole.rindex(b"startxref\n") + 10
    whole = whole[:tail] + b"%04d" % shift + whole[whole.rindex(b"\n%%EOF") :]
    whole = whole.replace(b"/L %05d" % len(with_length), b"/L %05d" % len(whole))
    (one,) = found_in(whole + bytes(512))
    assert (one.length, one.complete) == (len(whole), True)


def test_zip_that_breaks_keeps_whole_members() -> None:
    data = make_zip({f"{n}.bin": noise(900, n) for n in range(6)})
    third = data.index(b"PK\x03\x04", 2500)
    (one,) = [one for one in found_in(data[: third + 200] + noise(3000, 4)) if not one.offset]
    assert not one.complete and one.length == third


def test_zip_whose_end_record_belongs_to_another() -> None:
    data = bytearray(make_zip())
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 16, 77)
    (one,) = found_in(bytes(data))
    assert not one.complete and "central directory" in one.reason


def test_sqlite_page_of_another_file() -> None:
    data = bytearray(make_sqlite(3000))
    page = struct.unpack_from(">H", data, 16)[0]
    data[4 * page : 5 * page] = b"\xc7" * page
    found = found_in(bytes(data))
    assert (found[0].complete, found[0].length) == (False, 4 * page)


def test_sqlite_larger_than_what_is_there() -> None:
    data = make_sqlite(3000)
    (one,) = found_in(data[: len(data) // 2 // 512 * 512])
    assert not one.complete and "beyond the end" in one.reason


def test_rtf_over_the_borders_of_blocks() -> None:
    for length in (65500, 65519, 65520, 65521, 65530, 65535, 65536):
        data = b"{\\rtf1 ".ljust(length, b"a") + b"\\{\\}\\\\{\\bin3 }}}}" + b"b" * 99 + b"}"
        (one,) = found_in(data + b"\0")
        assert (one.length, one.complete) == (len(data), True), length


def test_searching_in_parts_finds_the_same() -> None:
    data = b""
    for content, _ in KINDS.values():
        data += content + bytes(512 - len(content) % 512)
    whole = found_in(data)
    half = len(data) // 1024 * 512
    parts = found_in(data, end=half) + found_in(data, start=half)
    spans = [(one.offset, one.offset + one.length) for one in whole]
    assert set(whole) <= set(parts)
    assert all(any(low <= one.offset < high for low, high in spans) for one in parts)


def test_unreadable_bytes_cost_only_themselves() -> None:
    data = make_png() + bytes(-len(make_png()) % 512)
    data += bytes(1 << 16) + make_jpeg() + bytes(512)

    class Torn(MemoryStream):
        def read_at(self, offset: int, length: int) -> bytes:
            bad = len(data) - (1 << 15)
            if offset <= bad < offset + length:
                raise ReadFailedError("torn", partial=super().read_at(offset, bad - offset))
            return super().read_at(offset, length)

    found = list(carve(Torn(data)))
    assert (found[0].offset, found[0].complete) == (0, True)


def test_too_much_to_read_is_told_after_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carver, "READ_SPARE", 1000)
    monkeypatch.setattr(carver, "READ_FACTOR", 0)
    found = []
    with pytest.raises(LimitExceededError, match="png"):
        for one in carve(MemoryStream(make_png() * 2)):
            found.append(one)
    assert found == []
    monkeypatch.setattr(carver, "READ_SPARE", 1 << 28)
    monkeypatch.setattr(carver, "MAX_FILES", 2)
    padded = make_png() + bytes(-len(make_png()) % 512)
    with pytest.raises(LimitExceededError, match="more than 2 files"):
        for one in carve(MemoryStream(padded * 5)):
            found.append(one)
    assert len(found) == 2


def test_headers_in_every_sector_are_bounded() -> None:
    """Each would have its validator read far: what they read in all is limited."""
    for head in (b"%PDF-1.4\n1 0 obj\n", b"{\\rtf1 ", b"GIF89a\1\0\1\0\0\0\0,", b"From: a\nTo: b\nDate: c\n\n",
                 b"PK\x03\x04\x14\0\x08\0\x08\0" + bytes(16) + b"\1\0\0\0a", b"\0\0\2\0moov\0\0\0\x6cmvhd"):  # fmt: skip
        stream = MemoryStream(head.ljust(512, b"x") * 512)
        counted = Counting(stream)
        try:
            found = list(carve(counted))
        except LimitExceededError:
            continue
        assert counted.total < 3 * stream.size + (1 << 28) + stream.size
        assert all(one.offset + one.length <= stream.size for one in found)


class Counting(MemoryStream):
    def __init__(self, stream: MemoryStream) -> None:
        super().__init__(stream.read_at(0, stream.size))
        self.total = 0

    def read_at(self, offset: int, length: int) -> bytes:
        self.total += length
        return super().read_at(offset, length)


def test_a_gzip_bomb_is_not_followed_far() -> None:
    bomb = gzip.compress(bytes(300 << 20), mtime=0)
    (one,) = found_in(bomb)
    assert not one.complete and "inflates to more" in one.reason


@pytest.mark.parametrize("seed", range(4))
def test_f09_mutated_files(seed: int) -> None:
    """Nothing but results, inside the stream; thousands of mutations over the kinds."""
    chooser = random.Random(seed)
    for content, _ in KINDS.values():
        for _ in range(40):
            data = bytearray(content)
            for _ in range(chooser.choice((1, 3, 12))):
                place = chooser.randrange(min(len(data), chooser.choice((64, 600, len(data)))))
                data[place] = chooser.choice((0, 0xFF, 0x7F, 0x80, chooser.randrange(256)))
            for one in found_in(bytes(data[: chooser.choice((len(data), len(data), len(data) // 2))])):
                assert one.length > 0 and one.offset + one.length <= len(data)
                assert one.complete is (one.reason == "")


def test_search_of_a_reader_over_borders() -> None:
    import re

    for place in (0, 5, (1 << 18) - 3, 1 << 18, (1 << 18) + 70, (1 << 19) - 66, 700_000 - 4):
        data = bytearray(700_000)
        data[place : place + 4] = b"FIND"
        reader = Reader(MemoryStream(bytes(data)), 1 << 30)
        found = reader.search(re.compile(b"FIND"), 0, len(data))
        assert found is not None and found[0] == place
        assert reader.search(re.compile(b"FIND"), place + 1, len(data)) is None
        assert reader.search(re.compile(b"FIND"), 0, place + 3) is None


RECIPES: tuple[Callable[[], bytes], ...] = (make_jpeg, make_png, make_gif, make_mp4, make_pdf, make_ole, make_wal)


def test_builders_are_deterministic() -> None:
    for make in RECIPES:
        assert hashlib.md5(make()).digest() == hashlib.md5(make()).digest()
