"""Formats that are not read here, by their signatures, so that none of them is ever taken for a raw image.

A reader of file systems finds nothing in most of these and reports nothing; in some it finds remains of something
else. So they are recognised before raw is considered, and refused by name with what to try.

Sources: qemu ``docs/interop``, libyal format documentation, ``file`` magic, APPNOTE.TXT, POSIX pax.
"""

from __future__ import annotations

from dataclasses import dataclass

from triage.model.stream import Stream

HEAD = 4096
"""Bytes of the beginning that are looked at."""
TAIL = 1024
"""Bytes of the end that are looked at."""

_RAW = "convert it to raw, for instance `qemu-img convert -O raw IMAGE IMAGE.raw`, and hand that in"
_UNPACK = "unpack it and hand in the image inside"
_APPLE = "convert it to raw, for instance `hdiutil convert -format UDTO` on macOS or `dmg2img`, and hand that in"
_EXPORT = "export it to raw or E01 with the program that made it and hand that in"
_FILES = "this is a file from inside evidence, not an image of a medium; hand in the image that holds it"


@dataclass(frozen=True, slots=True)
class Foreign:
    """One format that is not read.

    Attributes:
        name: In words.
        offset: Where the magic stands; below 0 from the end of the file.
        magic: Bytes that must be there.
        hint: What to try.
    """

    name: str
    offset: int
    magic: bytes
    hint: str


FOREIGN: tuple[Foreign, ...] = (
    Foreign("QED virtual disk", 0, b"QED\x00", _RAW),
    Foreign("Bochs virtual disk", 0, b"Bochs Virtual HD Image", _RAW),
    Foreign("AFF image", 0, b"AFF10\r\n\x00", "convert it with `affconvert -r` and hand that in"),
    Foreign("Norton Ghost image", 0, b"\xfe\xef\x01", _EXPORT),
    Foreign("Acronis image", 0, b"\xce\x24\xb9\xa2\x20", _EXPORT),
    Foreign("Windows image (WIM)", 0, b"MSWIM\x00\x00\x00", "apply it to a disk and image that, or unpack it"),
    Foreign("partclone image", 0, b"partclone-image\x00", "restore it with `partclone.restore -O` and hand that in"),
    Foreign("ntfsclone image", 0, b"\x00ntfsclone-image", "restore it with `ntfsclone -r` and hand that in"),
    Foreign("Outlook mailbox (PST, OST)", 0, b"!BDN", _FILES),
    Foreign("gzip data", 0, b"\x1f\x8b\x08", _UNPACK),
    Foreign("xz data", 0, b"\xfd7zXZ\x00", _UNPACK),
    Foreign("zstd data", 0, b"\x28\xb5\x2f\xfd", _UNPACK),
    Foreign("lz4 data", 0, b"\x04\x22\x4d\x18", _UNPACK),
    Foreign("lzip data", 0, b"LZIP\x01", _UNPACK),
    Foreign("compress data", 0, b"\x1f\x9d\x90", _UNPACK),
    Foreign("7z archive", 0, b"7z\xbc\xaf\x27\x1c", _UNPACK),
    Foreign("rar archive", 0, b"Rar!\x1a\x07", _UNPACK),
    Foreign("cabinet archive", 0, b"MSCF\x00\x00\x00\x00", _UNPACK),
    Foreign("PDF document", 0, b"%PDF-", _FILES),
    Foreign("SQLite database", 0, b"SQLite format 3\x00", _FILES),
    Foreign("OLE document", 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _FILES),
    Foreign("JPEG picture", 0, b"\xff\xd8\xff", _FILES),
    Foreign("PNG picture", 0, b"\x89PNG\r\n\x1a\n", _FILES),
    Foreign("ELF program", 0, b"\x7fELF", _FILES),
    Foreign("packet capture", 0, b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", _FILES),
    Foreign("packet capture", 0, b"\x0a\x0d\x0d\x0a", _FILES),
    Foreign("Windows memory dump", 0, b"PAGEDUMP", _FILES),
    Foreign("Windows memory dump", 0, b"PAGEDU64", _FILES),
)


def find_foreign(media: Stream) -> Foreign | None:
    """The format of a file, or None where it is none of those known to be no image that is read here.

    Args:
        media: The bytes of the file.

    Raises:
        ReadFailedError: The file cannot be read.
    """
    head = media.read_at(0, HEAD)
    tail = media.read_at(max(0, media.size - TAIL), TAIL)
    for foreign in FOREIGN:
        where, offset = (head, foreign.offset) if foreign.offset >= 0 else (tail, len(tail) + foreign.offset)
        if offset >= 0 and where.startswith(foreign.magic, offset):
            return foreign
    return _zip(head) or _bzip2(head) or _tar(head) or _vhd(head, tail)


def _zip(head: bytes) -> Foreign | None:
    if not head.startswith(b"PK\x03\x04"):
        return None
    if b"container.description" in head[:512] or b"information.turtle" in head or b"aff4://" in head:
        return Foreign("AFF4 image", 0, b"", _EXPORT)
    return Foreign("zip archive", 0, b"", _UNPACK)


def _bzip2(head: bytes) -> Foreign | None:
    if head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return Foreign("bzip2 data", 0, b"", _UNPACK)
    return None


def _tar(head: bytes) -> Foreign | None:
    """A tar archive: its magic and a header checksum that holds, since boot code may hold the magic by chance."""
    if head[257:262] != b"ustar":
        return None
    stated = head[148:156].strip(b" \x00")
    if not stated or not all(digit in b"01234567" for digit in stated):
        return None
    total = sum(head[:148]) + 8 * 32 + sum(head[156:512])
    return Foreign("tar archive", 0, b"", _UNPACK) if int(stated, 8) == total else None


def _vhd(head: bytes, tail: bytes) -> Foreign | None:
    """A dynamic or differencing VHD; the footer of a fixed one follows a raw image and changes nothing.

    Source: Microsoft, Virtual Hard Disk Image Format Specification, "Hard Disk Footer Format".
    """
    names = {3: "dynamic VHD virtual disk", 4: "differencing VHD virtual disk, incomplete without its parent"}
    for footer in (head[:512], tail[-512:], tail[-511:]):
        if footer[:8] == b"conectix" and len(footer) > 64:
            kind = int.from_bytes(footer[60:64], "big")
            if kind in names:
                return Foreign(names[kind], 0, b"", _RAW)
            if footer is head:
                return Foreign("damaged VHD virtual disk", 0, b"", _RAW)
    return None
