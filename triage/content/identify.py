"""Type by content, and whether the name agrees.

Decisions that steer decoding come from the tables of this room alone, so that they do not differ by machine. libmagic
is asked only for what they leave open, where it is there, and the result says so in ``source``.
"""

from __future__ import annotations

from triage.content import libmagic, text_types
from triage.content.kinds import EMPTY, KINDS, SHORT_BY_NAME, UNKNOWN, Kind
from triage.content.peeks import iso_media
from triage.content.signatures import AT_FOUR, BY_START, ELSEWHERE
from triage.model.content import ContentType

HEAD_LENGTH = 65536
"""Bytes of a content that :func:`identify` wants to see, or all where it is smaller."""

_TAR = KINDS["tar"]
_DISK_IMAGE = KINDS["dmg"]


def identify(head: bytes, size: int, name: bytes) -> ContentType:
    """Type of a content.

    Args:
        head: Its first 64 KiB, or all of it.
        size: Bytes of the whole content.
        name: Last component of its path as stored; only its extension matters.

    Returns:
        The type, with ``extension_agrees`` False only where both name and content are clear.
    """
    kind = _by_table(head, size)
    if kind is UNKNOWN and head:
        refined = libmagic.describe(head[:4096])
        if refined is not None:
            return ContentType(refined[0], refined[1], "libmagic")
    dot = name.rfind(b".")
    return kind.typed(name[dot + 1 :].lower() if dot >= 0 else b"")


def filetype_of(content_type: ContentType) -> str:
    """Short upper-case word for a type (``SQLITE``, ``EXE``), empty where it is not of our table.

    This is what YARA rules get as the external variable ``filetype``.
    """
    return SHORT_BY_NAME.get(content_type.name, "") if content_type.source != "libmagic" else ""


def _by_table(head: bytes, size: int) -> Kind:
    """The kind that the tables find."""
    if size <= 0:
        return EMPTY
    if head[257:262] == b"ustar" and has_tar_checksum(head):
        return _TAR
    if len(head) == size and head[-512:-508] == b"koly":
        return _DISK_IMAGE
    for start, kind, peek in BY_START.get(head[:2], ()):
        if head.startswith(start):
            if kind is not None:
                return kind
            if peek is not None and (found := peek(head, size)) is not None:
                return found
    return _by_structure(head, size)


def _by_structure(head: bytes, size: int) -> Kind:
    """The kind of content that no start claims: marks at offset 4, text, marks further in."""
    mark = AT_FOUR.get(head[4:8])
    if mark is not None:
        return mark
    if (media := iso_media(head, size)) is not None:
        return media
    if (text := text_types.guess(head, size)) is not None:
        return text
    for offset, expected, kind in ELSEWHERE:
        if head.startswith(expected, offset):
            return kind
    return _by_volume(head, size)


def _by_volume(head: bytes, size: int) -> Kind:
    """Volumes and other binary content recognised by more than one field."""
    if head[510:512] == b"\x55\xaa":
        if head[54:57] == b"FAT" or head[82:87] == b"FAT32":
            return KINDS["fat"]
        if all(head[at] in (0, 0x80) for at in (446, 462, 478, 494)) and any(head[446:510]):
            return KINDS["mbr"]
    if head[1080:1082] == b"\x53\xef" and head[1024:1028] != bytes(4):
        return KINDS["ext"]
    if head[:1] == b"G" and len(head) > 376 and head[188] == head[376] == 0x47:
        return KINDS["mpegts"]
    if len(head) > 388 and head[4] == head[196] == head[388] == 0x47:
        return KINDS["mpegts"]
    if b"%PDF-" in head[:1024]:
        return KINDS["pdf"]
    if size >= 512 and size % 512 == 0 and has_tar_checksum(head):
        return _TAR
    if len(head) == size and head[-8:] == b"\x57\xfb\x80\x8b\x24\x75\x47\xdb":
        return KINDS["leveldb"]
    return UNKNOWN


def has_tar_checksum(block: bytes) -> bool:
    """Whether the first 512 bytes are a tar header: their sum is the one that they state.

    Source: POSIX.1-2017, pax, ustar interchange format; old writers sum signed bytes.
    """
    if len(block) < 512:
        return False
    digits = block[148:156].replace(b"\0", b" ").strip()
    try:
        stated = int(digits, 8) if digits else -1
    except ValueError:
        return False
    total = sum(block[:148]) + 256 + sum(block[156:512])
    signed = total - 256 * sum(1 for byte in block[:148] + block[156:512] if byte > 127)
    return stated in (total, signed)
