"""Type by content: the own table first, text by its rules, libmagic only for what stays open."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.content import libmagic
from triage.content.identify import HEAD_LENGTH, filetype_of, has_tar_checksum, identify
from triage.content.kinds import EXTENSIONS, KINDS
from triage.content.signatures import AT_FOUR, BY_START, ELSEWHERE, SIGNATURE_COUNT

PAD = bytes(600)


def mime_of(data: bytes, name: bytes = b"", size: int | None = None) -> str:
    return identify(data[:HEAD_LENGTH], len(data) if size is None else size, name).mime


def make_zip(*names: str, stored: tuple[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if stored:
            archive.writestr(zipfile.ZipInfo(stored[0]), stored[1])
        for name in names:
            archive.writestr(name, b"content " * 20)
    return out.getvalue()


def make_ole(*streams: str, root_class: bytes = bytes(16)) -> bytes:
    """An OLE2 header with its directory in the first sector; enough for a look at the names."""
    head = bytearray(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))
    struct.pack_into("<H", head, 30, 9)
    struct.pack_into("<I", head, 48, 0)
    for number, name in enumerate(("Root Entry", *streams)):
        entry = bytearray(128)
        raw = name.encode("utf-16-le")
        entry[: len(raw)] = raw
        struct.pack_into("<HB", entry, 64, len(raw) + 2, 5 if number == 0 else 2)
        if number == 0:
            entry[80:96] = root_class
        head += entry
    return bytes(head) + PAD


def make_tar(name: str = "a.txt") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    return out.getvalue()


def ftyp(brand: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + brand + bytes(12) + PAD


MP3 = b"\xff\xfb\x90\x00" + bytes(413) + b"\xff\xfb\x90\x00" + PAD
PE = b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + PAD

SAMPLES: tuple[tuple[str, bytes], ...] = (
    ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF" + PAD),
    ("image/png", b"\x89PNG\r\n\x1a\n" + PAD),
    ("image/gif", b"GIF89a" + PAD),
    ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 " + PAD),
    ("image/heic", ftyp(b"heic")),
    ("image/heic", ftyp(b"mif1")),
    ("image/avif", ftyp(b"avif")),
    ("image/tiff", b"II*\0" + PAD),
    ("image/tiff", b"MM\0*" + PAD),
    ("image/bmp", b"BM" + bytes(12) + b"\x28\0\0\0" + PAD),
    ("video/mp4", ftyp(b"isom")),
    ("video/quicktime", ftyp(b"qt  ")),
    ("video/quicktime", b"\0\0\0\x08wide" + PAD),
    ("video/3gpp", ftyp(b"3gp4")),
    ("audio/mp4", ftyp(b"M4A ")),
    ("video/x-msvideo", b"RIFF\x10\0\0\0AVI LIST" + PAD),
    ("video/x-matroska", b"\x1aE\xdf\xa3\x93B\x82\x88matroska" + PAD),
    ("video/webm", b"\x1aE\xdf\xa3\x93B\x82\x84webm" + PAD),
    ("audio/mpeg", b"ID3\x04\0" + PAD),
    ("audio/mpeg", MP3),
    ("audio/ogg", b"OggS\0" + bytes(23) + b"\x01vorbis" + PAD),
    ("audio/opus", b"OggS\0" + bytes(23) + b"OpusHead" + PAD),
    ("audio/amr", b"#!AMR\n" + PAD),
    ("audio/silk", b"\x02#!SILK_V3" + PAD),
    ("audio/x-wav", b"RIFF\x10\0\0\0WAVEfmt " + PAD),
    ("application/pdf", b"%PDF-1.7\n"),
    ("application/pdf", b"\0\0junk\n%PDF-1.4\n" + PAD),
    ("application/rtf", b"{\\rtf1\\ansi hello}"),
    ("application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c" + PAD),
    ("application/vnd.rar", b"Rar!\x1a\x07\x01\x00" + PAD),
    ("application/gzip", b"\x1f\x8b\x08\0" + PAD),
    ("application/x-bzip2", b"BZh91AY&SY" + PAD),
    ("application/x-xz", b"\xfd7zXZ\0" + PAD),
    ("application/zstd", b"(\xb5/\xfd" + PAD),
    ("application/zstd", b"P*M\x18\x04\0\0\0abcd(\xb5/\xfd" + PAD),
    ("application/x-compress", b"\x1f\x9d\x90" + PAD),
    ("application/vnd.ms-cab-compressed", b"MSCF\0\0\0\0" + PAD),
    ("application/x-cpio", b"070701" + b"0" * 104 + PAD),
    ("application/vnd.microsoft.portable-executable", PE),
    ("application/x-elf", b"\x7fELF\x02\x01\x01" + PAD),
    ("application/x-mach-binary", b"\xcf\xfa\xed\xfe" + PAD),
    ("application/x-mach-binary", b"\xca\xfe\xba\xbe\0\0\0\x02" + PAD),
    ("application/java-vm", b"\xca\xfe\xba\xbe\0\0\0\x34" + PAD),
    ("application/x-dex", b"dex\n035\0" + PAD),
    ("application/x-ms-shortcut", b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F" + PAD),
    ("application/x-windows-registry", b"regf" + PAD),
    ("application/x-ms-evtx", b"ElfFile\0" + PAD),
    ("application/x-ms-prefetch", b"\x1e\0\0\0SCCA" + PAD),
    ("application/x-ms-compressed-prefetch", b"MAM\x04" + PAD),
    ("application/x-bplist", b"bplist00\xd1" + PAD),
    ("application/vnd.ms-outlook-pst", b"!BDN" + PAD),
    ("application/x-ewf", b"EVF\t\r\n\xff\0\x01" + PAD),
    ("application/x-vmdk", b"KDMV" + PAD),
    ("application/x-qcow", b"QFI\xfb\0\0\0\x03" + PAD),
    ("application/x-vhd", b"conectix" + PAD),
    ("application/x-keepass", b"\x03\xd9\xa2\x9a" + PAD),
    ("application/x-luks", b"LUKS\xba\xbe\0\x02" + PAD),
    ("application/x-bitlocker", b"\xebX\x90-FVE-FS-" + PAD),
    ("font/ttf", b"\0\x01\0\0\0\x0f\0\x80\0\x03\0\x70GDEF" + PAD),
    ("font/otf", b"OTTO\0\x0d" + PAD),
    ("font/woff2", b"wOF2\0\x01\0\0" + PAD),
    ("application/x-ms-ese", bytes(4) + b"\xef\xcd\xab\x89" + PAD),
    ("application/vnd.sqlite3", b"SQLite format 3\0\x10\0" + PAD),
    ("application/x-sqlite-wal", b"7\x7f\x06\x82" + PAD),
    ("application/x-msaccess", b"\0\x01\0\0Standard Jet DB\0" + PAD),
    ("application/zip", make_zip("a.txt", "b/c.txt")),
    ("application/vnd.android.package-archive", make_zip("META-INF/MANIFEST.MF", "AndroidManifest.xml", "classes.dex")),
    ("application/java-archive", make_zip("META-INF/MANIFEST.MF", "a/B.class")),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",
     make_zip("[Content_Types].xml", "_rels/.rels", "word/document.xml")),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", make_zip("[Content_Types].xml", "xl/a.xml")),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation",
     make_zip("[Content_Types].xml", "ppt/presentation.xml")),
    ("application/vnd.oasis.opendocument.text",
     make_zip("content.xml", stored=("mimetype", b"application/vnd.oasis.opendocument.text"))),
    ("application/vnd.oasis.opendocument.spreadsheet",
     make_zip("content.xml", stored=("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"))),
    ("application/epub+zip", make_zip("a.html", stored=("mimetype", b"application/epub+zip"))),
    ("application/msword", make_ole("WordDocument", "1Table")),
    ("application/vnd.ms-excel", make_ole("Workbook")),
    ("application/vnd.ms-powerpoint", make_ole("PowerPoint Document")),
    ("application/vnd.ms-outlook", make_ole("__properties_version1.0", "WordDocument")),
    ("application/x-ms-office-encrypted", make_ole("EncryptionInfo", "EncryptedPackage")),
    ("application/x-msi", make_ole("x", root_class=bytes.fromhex("84100c0000000000c000000000000046"))),
    ("application/x-ole-storage", make_ole("Something")),
    ("application/x-tar", make_tar()),
    ("text/html", b"<!DOCTYPE html><html><body>x</body></html>"),
    ("text/html", b"\n  <div class=x>hello</div>"),
    ("application/xml", b"<?xml version='1.0'?><note>x</note>"),
    ("application/xml", b"<smses count='1'><sms body='x' /></smses>"),
    ("image/svg+xml", b"<?xml version='1.0'?>\n<!-- made --><svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("application/x-plist", b"<?xml version='1.0'?><!DOCTYPE plist PUBLIC '-//A' 'http://x'><plist version='1.0'/>"),
    ("application/json", b'{"a": [1, 2]}'),
    ("application/json", b'[{"a": 1}]'),
    ("message/rfc822", b"Received: from a\r\nFrom: a@b\r\nTo: c@d\r\nSubject: x\r\n\r\nhello\r\n"),
    ("application/mbox", b"From a@b Thu Jan  1 00:00:00 1970\nFrom: a@b\nSubject: x\n\nhello\n"),
    ("text/vcard", b"BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n"),
    ("text/calendar", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
    ("text/csv", b"name;phone;sum\nanna;1;2\nbob;3;4\n"),
    ("text/plain", b"just some words, nothing more\nand another line\n"),
    ("text/plain", "Здравейте, имате ли работа?".encode()),
    ("text/plain", "Здравейте, имате ли работа?".encode("cp1251")),
    ("text/plain", "Здравейте, имате ли работа?".encode("utf-16")),
    ("text/plain", "plain words in two bytes each".encode("utf-16-le")),
    ("text/plain", "words".encode("utf-32")),
    ("application/xml", '<?xml version="1.0" encoding="UTF-16"?><Task/>'.encode("utf-16")),
    ("text/html", b"\xef\xbb\xbf<html><body>x</body></html>"),
    ("application/x-empty", b""),
)  # fmt: skip


@pytest.mark.parametrize(("mime", "data"), SAMPLES, ids=[f"{n}-{mime}" for n, (mime, _) in enumerate(SAMPLES)])
def test_kind_is_found_by_content_alone(mime: str, data: bytes) -> None:
    assert mime_of(data) == mime
    assert mime_of(data, b"misleading.qqq") == mime


def test_table_is_sound() -> None:
    """At least 80 signatures; every row reachable; every kind named once for people."""
    assert SIGNATURE_COUNT >= 80
    names = [kind.name for kind in KINDS.values()]
    assert len(set(names)) == len(names)
    for first, rows in BY_START.items():
        assert len(first) == 2
        for number, (start, kind, peek) in enumerate(rows):
            assert start[:2] == first
            assert (kind is None) != (peek is None)
            shadowing = [other for other, fixed, _ in rows[:number] if fixed is not None and start.startswith(other)]
            assert shadowing == []
    assert all(len(mark) == 4 for mark in AT_FOUR)
    assert all(offset + len(mark) <= HEAD_LENGTH for offset, mark, _ in ELSEWHERE)
    used = {kind.key for kind in KINDS.values()}
    for extension, accepted in EXTENSIONS.items():
        assert extension == extension.lower()
        families = {kind.family for kind in KINDS.values()}
        assert accepted <= used | families, extension


@pytest.mark.parametrize(
    ("data", "name", "agrees"),
    [
        (b"\xff\xd8\xff\xe0" + PAD, b"a.jpg", True),
        (b"\xff\xd8\xff\xe0" + PAD, b"a.JPEG", True),
        (b"\xff\xd8\xff\xe0" + PAD, b"a.png", None),
        (b"\xff\xd8\xff\xe0" + PAD, b"a.docx", False),
        (b"\xff\xd8\xff\xe0" + PAD, b"a", None),
        (b"\xff\xd8\xff\xe0" + PAD, b"a.", None),
        (b"\xff\xd8\xff\xe0" + PAD, b"a.dat", None),
        (make_zip("x"), b"a.jpg", False),
        (make_zip("x"), b"a.docx", True),
        (make_zip("[Content_Types].xml", "word/a.xml"), b"a.zip", True),
        (make_zip("[Content_Types].xml", "word/a.xml"), b"a.docm", True),
        (b"SQLite format 3\0" + PAD, b"a.txt", False),
        (b"SQLite format 3\0" + PAD, b"a.db", None),
        (b"SQLite format 3\0" + PAD, b"a.sqlite", True),
        (b"words and words\n", b"a.jpg", False),
        (b"words and words\n", b"a.log", True),
        (b"<html>x</html>", b"a.txt", None),
        (b"<html>x</html>", b"a.xls", True),
        (b"{\\rtf1 x}", b"a.doc", True),
        (PE, b"a.dll", True),
        (PE, b"a.jpg", False),
        (PE, b"a.txt", False),
        ("Здравейте, имате ли работа?".encode("cp1251"), b"a.jpg", None),
        (b"", b"a.jpg", None),
    ],
)
def test_name_agrees_only_where_both_are_clear(data: bytes, name: bytes, agrees: bool | None) -> None:
    assert identify(data[:HEAD_LENGTH], len(data), name).extension_agrees is agrees


def test_n03_names_are_any_bytes() -> None:
    for name in (b"\xff\xfe.\xed\xa0\x80", b".", b"..", b"a.jpg ", b"CON.jpg", b"\0.jpg", b"x" * 65536 + b".jpg", b""):
        assert identify(b"\xff\xd8\xff\xe0", 4, name).mime == "image/jpeg"


def test_stored_archive_inside_does_not_speak_for_the_outer_one() -> None:
    inner = make_zip("[Content_Types].xml", "word/document.xml")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("mail.docx", inner)
        archive.writestr("note.txt", b"x")
    assert mime_of(out.getvalue()) == "application/zip"


def test_words_that_begin_like_a_signature_are_text() -> None:
    for words in (b"WAKE up call at five\n", b"BMW for sale, good state\n", b"MZ is short for something\n",
                  b"070701 is a phone number\n", b"hibr is no word\n", b"BZhang wrote this\n", b"d1 means nothing\n"):  # fmt: skip
        assert mime_of(words) == "text/plain", words


def test_tar_beats_the_short_signature_its_first_name_looks_like() -> None:
    assert mime_of(make_tar("BM.txt")) == "application/x-tar"
    assert mime_of(make_tar("PK")) == "application/x-tar"
    assert mime_of(make_tar("GIF89a holiday.gif")) == "application/x-tar"
    old = bytearray(make_tar("old.txt"))
    old[257:265] = bytes(8)
    total = sum(old[:148]) + 256 + sum(old[156:512])
    old[148:156] = b"%06o\0 " % total
    assert mime_of(bytes(old)) == "application/x-tar"
    old[0] ^= 1
    assert not has_tar_checksum(bytes(old))


def test_apple_disk_image_is_known_by_its_end() -> None:
    data = b"x\x9c" + bytes(100) + b"koly" + bytes(508)
    assert mime_of(data) == "application/x-apple-diskimage"


def test_filetype_is_a_short_word() -> None:
    assert filetype_of(identify(b"SQLite format 3\0" + PAD, 616, b"x")) == "SQLITE"
    assert filetype_of(identify(PE, len(PE), b"x")) == "EXE"
    assert filetype_of(identify(b"", 0, b"x")) == ""


def test_libmagic_refines_only_what_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def describe(head: bytes) -> tuple[str, str] | None:
        asked.append(head)
        return "application/x-odd", "odd thing"

    monkeypatch.setattr(libmagic, "describe", describe)
    for _, data in SAMPLES:
        assert identify(data[:HEAD_LENGTH], len(data), b"x").source != "libmagic"
    assert asked == []
    unknown = bytes(random.Random(7).randbytes(8000))
    found = identify(unknown, len(unknown), b"x.jpg")
    assert (found.mime, found.name, found.source, found.extension_agrees) == (
        "application/x-odd", "odd thing", "libmagic", None)  # fmt: skip
    assert len(asked) == 1 and len(asked[0]) <= 4096
    monkeypatch.setattr(libmagic, "describe", lambda head: None)
    assert identify(unknown, len(unknown), b"x.jpg").source == "none"


def test_unreadable_content_is_unknown_not_empty() -> None:
    assert identify(b"", 100, b"a.jpg").mime == "application/octet-stream"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=1500), st.integers(0, 2**63), st.binary(max_size=20), st.sampled_from(sorted(BY_START)))
def test_any_bytes_give_a_type(head: bytes, size: int, name: bytes, start: bytes) -> None:
    for data in (head, start + head, BY_START[start][0][0] + head):
        found = identify(data, size, name)
        assert "/" in found.mime and found.source in ("signature", "text", "libmagic", "none")
        assert found.name.isprintable()


def test_cut_heads_of_all_samples_give_a_type() -> None:
    """Every sample cut at every of its first bytes, and with one byte changed: no exception."""
    turn = random.Random(1)
    for _, data in SAMPLES:
        for length in range(min(len(data), 140)):
            identify(data[:length], len(data), b"a.b")
        for _ in range(20):
            broken = bytearray(data[:2000])
            if broken:
                broken[turn.randrange(len(broken))] = turn.randrange(256)
            identify(bytes(broken), len(broken), b"a.b")
